"""Matching photos and masks by name; nothing is decoded."""

import os
import threading
from pathlib import Path
from unicodedata import normalize

import pytest

from onar.completion.plan import Plan, plan_jobs
from onar.errors import OnarError, UsageError

NAME = "Gökçe Şişli"


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders photos and masks, where names are relative."""
    monkeypatch.chdir(tmp_path)


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)


def masks_of(plan: Plan) -> dict[str, str]:
    return {str(job.photo): str(job.mask) for job in plan.jobs}


def matched(photo: str, *masks: str) -> str:
    """The mask that is found for a photo in a folder of masks."""
    touch(f"photos/{photo}", *(f"masks/{mask}" for mask in masks))
    (mask,) = masks_of(plan_jobs(["photos"], Path("masks"), Path("out"))).values()
    return mask.removeprefix("masks/")


# ---------------------------------------------------------------- masks
@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_letters_match_however_they_are_put_together(forms: tuple[str, str]) -> None:
    photo, mask = (normalize(form, NAME) for form in forms)
    assert photo != mask
    assert matched(f"{photo}.jpg", f"{mask}.png") == f"{mask}.png"


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_files_are_found_however_their_letters_are_put_together(forms: tuple[str, str]) -> None:
    there, asked = (normalize(form, NAME) for form in forms)
    touch(f"{there}/{there}.jpg", f"{there}.png")
    for photos in (f"{asked}/{asked}.jpg", f"{asked}/{asked}*.jpg", asked):
        plan = plan_jobs([photos], Path(f"{asked}.png"), Path("out"))
        assert masks_of(plan) == {f"{there}/{there}.jpg": f"{there}.png"}


@pytest.mark.parametrize(
    ("photo", "mask"), [("IMG_1.JPG", "img_1.png"), ("IŞIK.jpg", "ışık.png"), ("İzmir.jpg", "izmir_MASK.gif")]
)
def test_another_case_matches(photo: str, mask: str) -> None:
    assert matched(photo, mask, "other.png") == mask


@pytest.mark.parametrize(
    "masks",
    [
        ("1950/a.png", "1950/A.png", "a.png"),
        ("1950/A.png", "1950/a_mask.png", "a.png"),
        ("1950/a_mask.png", "a.png", "1951/a.png"),
        ("a.png", "A.png", "a_mask.png"),
        ("x/A.gif", "a_mask.png"),
        ("x/A_Mask.webp", "x/ab.png"),
        ("1950/a.jpg.png", "1950/a.png"),
        ("1950/A.JPG.png", "1950/a.png"),
        ("1950/a.jpg_mask.png", "1950/a_mask.png"),
        ("a.jpg.png", "a.png"),
    ],
)
def test_the_nearest_mask_is_taken(masks: tuple[str, ...]) -> None:
    assert matched("1950/a.jpg", *masks) == masks[0]


@pytest.mark.parametrize(
    "mask",
    [
        *("a_mask001.png", "a_mask_1.png", "a-mask.png", "a_masks.png", "a mask.png", "a.mask.png", "mask_a.png"),
        *("mask-a.png", "Mask_A.PNG", "sub/mask_a.png", "mask_a.jpg.png"),
    ],
)
def test_names_that_programs_give_masks_are_understood(mask: str) -> None:
    assert matched("a.jpg", mask, "ab_mask.png", "mask.png", "amask.png", "b.jpg.png") == mask


def test_of_two_such_names_none_is_guessed() -> None:
    touch("photos/a.jpg", "photos/b.jpg", "masks/mask_a.png", "masks/a-mask.png", "masks/b_mask1.png")
    plan = plan_jobs(["photos"], Path("masks"), Path("out"))
    assert masks_of(plan) == {"photos/b.jpg": "masks/b_mask1.png"}
    assert list(plan.ambiguous.values()) == ["photos/a.jpg fits several masks: masks/a-mask.png, masks/mask_a.png"]


def test_photos_that_differ_in_their_endings_alone_find_their_own_masks() -> None:
    touch("photos/a.jpg", "photos/a.tif", "photos/b.jpg", "masks/a.jpg.png", "masks/a.tif.png", "masks/b.png")
    plan = plan_jobs(["photos"], Path("masks"), Path("out"))
    assert masks_of(plan) == {
        "photos/a.jpg": "masks/a.jpg.png", "photos/a.tif": "masks/a.tif.png", "photos/b.jpg": "masks/b.png",
    }  # fmt: skip


def test_two_masks_that_are_equally_near_stop_their_photo_alone() -> None:
    touch("photos/a.jpg", "photos/b.jpg", "masks/a.png", "masks/a.gif", "masks/b.png")
    plan = plan_jobs(["photos"], Path("masks"), Path("out"))
    assert masks_of(plan) == {"photos/b.jpg": "masks/b.png"}
    (line,) = plan.ambiguous.values()
    assert line == "photos/a.jpg fits several masks: masks/a.gif, masks/a.png"
    with pytest.raises(OnarError, match="fits several masks"):
        plan_jobs(["photos/a.jpg"], Path("masks"), Path("out"))


@pytest.mark.parametrize("photos", ["photos", "photos/*.jpg", "photos/a.jpg", "linked"])
def test_no_photo_is_its_own_mask(photos: str) -> None:
    touch("photos/a.jpg", "photos/a.png", "photos/b.jpg")
    Path("linked").symlink_to("photos")
    with pytest.raises(UsageError, match="no photo is its own mask"):
        plan_jobs([photos], Path("photos"), Path("out"))
    for mask in ("photos/a.jpg", "linked/a.jpg"):
        with pytest.raises(UsageError, match="is its own mask"):
            plan_jobs(["photos/a.jpg"], Path(mask), Path("out"))


def test_masks_may_lie_beside_their_photos_under_names_of_their_own() -> None:
    touch("photos/a.jpg", "photos/a_mask.png", "photos/b.jpg")
    plan = plan_jobs(["photos"], Path("photos"), Path("out"))
    assert masks_of(plan) == {"photos/a.jpg": "photos/a_mask.png"}
    assert plan.without_mask == [Path("photos/b.jpg")]


# ---------------------------------------------------------------- names and pipes
@pytest.mark.parametrize("photos", ["of [1950]", "of [1950]/*.jpg", "of [1950]/a [[]1].jpg", "of [1950]/a [1]*"])
def test_brackets_in_names_are_names(photos: str) -> None:
    touch("of [1950]/a [1].jpg", "of 9/a 1.jpg", "m [2].png")
    plan = plan_jobs([photos], Path("m [2].png"), Path("out [3]"))
    assert [(str(job.photo), str(job.output)) for job in plan.jobs] == [("of [1950]/a [1].jpg", "out [3]/a [1].jpg")]


def test_brackets_in_patterns_still_choose() -> None:
    touch("of [1950]/a1.jpg", "of [1950]/a2.jpg", "of [1950]/b.jpg", "m.png")
    plan = plan_jobs(["of [1950]/a[12].jpg"], Path("m.png"), Path("out"))
    assert [job.output.name for job in plan.jobs] == ["a1.jpg", "a2.jpg"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_a_pipe_is_a_photo_or_a_mask() -> None:
    touch("a.jpg", "m.png")
    os.mkfifo("pipe")
    for photo, mask in (("pipe", "m.png"), ("a.jpg", "pipe")):
        writer = threading.Thread(target=Path("pipe").write_bytes, args=(b"through",))
        writer.start()
        (job,) = plan_jobs([photo], Path(mask), Path("out.png")).jobs
        writer.join()
        with (job.photo if photo == "pipe" else job.mask).open("rb") as file:
            assert file.read() == b"through"
    for photos, mask, output, message in (
        (["-"], "-", "out.png", "cannot be both photo and mask"),
        (["-", "a.jpg"], "m.png", "out", "are for a single photo"),
        (["-"], "m.png", "out", "must name a file"),
        (["a.jpg"], "m.png", "-", "output - is no file"),
    ):
        with pytest.raises(UsageError, match=message):
            plan_jobs(photos, Path(mask), Path(output))


def test_skipped_files_are_counted_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    touch("photos/a.jpg", "photos/b.jfif", "photos/c.jpe", "photos/notes.txt", "photos/sub/d.psd", "m.png")
    for photos in ("photos", "photos/**/*"):
        assert len(plan_jobs([photos], Path("m.png"), Path("out")).jobs) == 3
        assert capsys.readouterr().err == f"Skipped in {photos}: 2 of other kinds (1 .psd, 1 .txt)\n"
