import os
import time
from pathlib import Path

import pytest

from onar.errors import OnarError
from onar.imaging import listing
from onar.imaging.listing import find_photos


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_photos_are_found_in_any_depth_and_case_sorted_and_without_hidden_ones(tmp_path: Path) -> None:
    visible = ["A.JPG", "b/c.png", "b/d/e.Tiff", "b/f.webp", "z.jpeg"]
    touch(tmp_path, *visible, "notes.txt", ".hidden.jpg", ".cache/photo.jpg", "b/._c.png", "jpg")
    assert find_photos(tmp_path) == [tmp_path / name for name in visible]


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", "a.jpg")
    touch(tmp_path / "data", "b.jpg")
    for link, target in (("circle", "data"), ("linked", "elsewhere"), ("linked_again", "elsewhere")):
        (tmp_path / "data" / link).symlink_to(tmp_path / target)
    assert [path.name for path in find_photos(tmp_path / "data")] == ["b.jpg", "a.jpg"]


def test_what_was_looked_for_and_what_was_found_is_told(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt", "archive.zip", "empty/.gitkeep")
    expected = {
        tmp_path: r"no photos in .*: looked for \.png \.jpg .*; found 2 files of other kinds$",
        tmp_path / "empty": "found no files at all$",
        tmp_path / "nowhere": "nowhere is not there$",
        tmp_path / "notes.txt": r"notes\.txt is not a folder$",
    }
    for folder, message in expected.items():
        with pytest.raises(OnarError, match=message):
            find_photos(folder)


# ---------------------------------------------------------------- kept listings


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where listings are kept; also those of a few files."""
    monkeypatch.setattr(listing, "KEPT_FROM", 1)
    monkeypatch.setattr(listing, "user_cache_path", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache" / "onar" / "listings"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two folders with a photo each that were last changed long ago."""
    touch(tmp_path / "photos", "a.jpg", "sub/b.jpg")
    for folder in ("photos/sub", "photos"):
        os.utime(tmp_path / folder, (1e9, 1e9))
    return tmp_path / "photos"


def names(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in find_photos(folder)]


def test_a_folder_that_did_not_change_is_not_read_again(kept: Path, photos: Path) -> None:
    assert names(photos) == ["a.jpg", "sub/b.jpg"]
    assert len(list(kept.iterdir())) == 1
    touch(photos, "sub/unnoticed.jpg")
    os.utime(photos / "sub", (1e9, 1e9))
    assert names(photos) == ["a.jpg", "sub/b.jpg"]


@pytest.mark.usefixtures("kept")
def test_what_is_added_moved_or_removed_is_noticed(photos: Path) -> None:
    names(photos)
    touch(photos, "sub/c.jpg", "sub/new/d.jpg")
    assert names(photos) == ["a.jpg", "sub/b.jpg", "sub/c.jpg", "sub/new/d.jpg"]
    (photos / "sub" / "b.jpg").rename(photos / "z.jpg")
    (photos / "a.jpg").unlink()
    assert names(photos) == ["sub/c.jpg", "sub/new/d.jpg", "z.jpg"]


@pytest.mark.usefixtures("kept")
def test_a_change_within_the_same_tick_of_the_clock_is_noticed(photos: Path) -> None:
    now = time.time()
    os.utime(photos / "sub", (now, now))
    names(photos)
    touch(photos, "sub/c.jpg")
    os.utime(photos / "sub", (now, now))
    assert names(photos) == ["a.jpg", "sub/b.jpg", "sub/c.jpg"]


def test_names_that_are_not_text_are_kept_too(kept: Path, photos: Path) -> None:
    (photos / os.fsdecode(b"sub/\xff.jpg")).touch()
    os.utime(photos / "sub", (1e9, 1e9))
    assert find_photos(photos) == find_photos(photos)
    assert os.fsencode(find_photos(photos)[-1]).endswith(b"sub/\xff.jpg")
    assert len(list(kept.iterdir())) == 1


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'{"": [0]}', b"\xff"])
def test_a_damaged_listing_is_made_anew(kept: Path, photos: Path, damage: bytes) -> None:
    names(photos)
    whole = next(kept.iterdir()).read_bytes()
    next(kept.iterdir()).write_bytes(damage)
    assert names(photos) == ["a.jpg", "sub/b.jpg"]
    assert next(kept.iterdir()).read_bytes() == whole


def test_a_cache_folder_that_cannot_be_written_to_does_no_harm(kept: Path, photos: Path) -> None:
    kept.parent.parent.touch()
    assert names(photos) == ["a.jpg", "sub/b.jpg"]


def test_small_folders_leave_nothing_in_the_cache_folder(
    kept: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "KEPT_FROM", 3)
    names(photos)
    assert not kept.exists()
