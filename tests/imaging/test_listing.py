from pathlib import Path

import pytest

from onar.errors import OnarError
from onar.imaging import images
from onar.imaging.formats import endings as formats
from onar.imaging.listing import find_masks, find_photos


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_photos_are_found_in_any_depth_and_case_sorted_and_without_hidden_ones(tmp_path: Path) -> None:
    visible = ["A.JPG", "b/c.png", "b/d/e.Tiff", "b/f.webp", "z.jpeg"]
    touch(tmp_path, *visible, "notes.txt", ".hidden.jpg", ".cache/photo.jpg", "b/._c.png", "jpg")
    assert find_photos(tmp_path) == [tmp_path / name for name in visible]


def test_a_sheet_is_a_mask_unless_onar_drew_it(tmp_path: Path) -> None:
    touch(tmp_path, "drawn/mask_0000.png", "drawn/sheet.png", "own/sheet.png")
    assert find_masks(tmp_path) == [tmp_path / "drawn" / "mask_0000.png", tmp_path / "own" / "sheet.png"]


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", "a.jpg")
    touch(tmp_path / "data", "b.jpg")
    for link, target in (("circle", "data"), ("linked", "elsewhere"), ("linked_again", "elsewhere")):
        (tmp_path / "data" / link).symlink_to(tmp_path / target)
    assert [path.name for path in find_photos(tmp_path / "data")] == ["b.jpg", "a.jpg"]


def test_an_error_names_the_endings_and_the_files_found(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt", "archive.zip", "empty/.gitkeep")
    expected = {
        tmp_path: r"no photos in .*: looked for \.png \.jpg .*; found 2 files: 1 \.txt, 1 \.zip$",
        tmp_path / "empty": "found no files at all$",
        tmp_path / "nowhere": "nowhere is not there$",
        tmp_path / "notes.txt": r"notes\.txt is not a folder$",
    }
    for folder, message in expected.items():
        with pytest.raises(OnarError, match=message):
            find_photos(folder)


def test_what_is_passed_over_is_counted_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    touch(tmp_path, "a.jpg", "b.JFIF", "c.jpe", "d.gif", "x/e.txt", "x/f.TXT", "g.psd", "noending", ".hidden.txt")
    assert len(find_photos(tmp_path)) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"Skipped in {tmp_path}: 4 of other kinds (2 .txt, 1 without an ending, 1 .psd)"


def test_files_of_a_missing_decoder_are_reported_with_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(formats.READABLE, ".heic", raising=False)
    monkeypatch.setitem(formats.NOT_READABLE_HERE, ".heic", 'pip install "onar[heic]"')
    touch(tmp_path, "a.heic", "b.HEIC")
    with pytest.raises(OnarError, match=r'found 2 files: 2 \.heic, which need pip install "onar\[heic\]"'):
        find_photos(tmp_path)
    touch(tmp_path, "c.jpg")
    assert [path.name for path in find_photos(tmp_path)] == ["c.jpg"]
    assert '2 .heic, which need pip install "onar[heic]"' in capsys.readouterr().err
    (tmp_path / "a.heic").write_bytes(b"no photo")
    with pytest.raises(OnarError, match=r'this ending needs pip install "onar\[heic\]"'):
        images.read_photo(tmp_path / "a.heic")
