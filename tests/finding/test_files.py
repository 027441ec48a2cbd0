"""`onar find`, and `onar complete --find`."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onar import Job, complete_files
from onar.completion.config import CompletionConfig
from onar.inference.inpainter import Inpainter
from tests.finding.test_finding import a_photo, needs_finder, scratched
from tests.support.runs import run_onar

pytestmark = needs_finder


@pytest.fixture(autouse=True)
def an_album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder: two scratched photos and a clean one in photos/, one of them in a folder below."""
    monkeypatch.chdir(tmp_path)
    Path("photos/below").mkdir(parents=True)
    for name, photo in {"a.png": scratched()[0], "below/b.jpg": scratched(120, 200)[0], "c.tif": a_photo()}.items():
        Image.fromarray(photo).save(f"photos/{name}", quality=98)


def read(path: str | Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_a_folder_gets_masks_that_complete_finds() -> None:
    said = run_onar("find", "photos", "--output", "masks")
    assert "masks of 3 photos are in" in said.out
    written = sorted(str(path.relative_to("masks")) for path in Path("masks").rglob("*.*"))
    assert written == ["a.png", "below/b.png", "c.png"]
    assert read("masks/a.png").shape == (240, 320)
    run_onar("complete", "photos", "--mask", "masks", "--output", "out", "--weights", "pyramid")
    assert sorted(path.name for path in Path("out").rglob("*.*")) == ["a.png", "b.jpg", "c.tif"]


def test_one_call_does_as_the_two_do() -> None:
    run_onar("find", "photos/a.png", "--what", "scratches", "--output", "mask.png")
    run_onar("complete", "photos/a.png", "--mask", "mask.png", "--output", "two.png", "--weights", "pyramid")
    run_onar("complete", "photos/a.png", "--find", "scratches", "--output", "one.png", "--weights", "pyramid")
    assert np.array_equal(read("one.png"), read("two.png"))
    known = read("mask.png") == 0
    assert np.array_equal(read("one.png")[known], read("photos/a.png")[known])
    assert not np.array_equal(read("one.png"), read("photos/a.png"))


def test_a_mask_and_what_is_found_are_both_filled() -> None:
    mask = np.zeros((240, 320), np.uint8)
    mask[10:20, 250:280] = 255
    Image.fromarray(mask).save("mask.png")
    run_onar("find", "photos/a.png", "--what", "scratches", "--output", "found.png")
    arguments = (
        "--mask",
        "mask.png",
        "--find",
        "scratches",
        "--overlay",
        "--weights",
        "pyramid",
        "--output",
        "out.png",
    )
    run_onar("complete", "photos/a.png", *arguments)
    holes = np.maximum(mask, read("found.png")) > 0
    tinted = (read("out_overlay.png") != read("photos/a.png")).any(axis=2)
    assert np.array_equal(tinted | holes, holes)
    assert tinted[mask > 0].all()


def test_names_that_differ_in_their_endings_get_masks_of_both() -> None:
    Image.fromarray(a_photo()).save("photos/a.jpg")
    run_onar("find", "photos", "--output", "masks")
    assert {"a.jpg.png", "a.png.png"} <= {path.name for path in Path("masks").iterdir()}
    run_onar("complete", "photos", "--mask", "masks", "--output", "out", "--weights", "pyramid")


def test_a_preview_shows_the_marks() -> None:
    run_onar("find", "photos/a.png", "--output", "mask.png", "--preview")
    preview, hole = read("mask_preview.jpg").astype(int), read("mask.png") > 0
    assert (preview[..., 0] - preview[..., 2])[hole].mean() > 60


def test_masks_replace_nothing_unless_asked() -> None:
    Path("mask.png").write_bytes(b"precious")
    said = run_onar("find", "photos/a.png", "--output", "mask.png", code=2)
    assert "mask.png exists already" in said.err
    assert Path("mask.png").read_bytes() == b"precious"
    run_onar("find", "photos/a.png", "--output", "mask.png", "--overwrite")
    assert read("mask.png").shape == (240, 320)


def test_one_bad_photo_stops_no_other() -> None:
    Path("photos/bad.png").write_bytes(b"no photo")
    said = run_onar("find", "photos", "--output", "masks", code=1)
    assert "photos/bad.png: not a picture" in said.err
    assert "1 of 4 photos have no mask" in said.err
    assert len(list(Path("masks").rglob("*.png"))) == 3


def test_a_photo_with_too_much_is_named_and_left_alone() -> None:
    said = run_onar("find", "photos", "--max_share", "0.0001", "--what", "scratches", "--output", "masks", code=1)
    assert "of the photo would be marked, and --max_share allows 0.0%" in said.err
    assert not Path("masks/a.png").exists()
    said = run_onar(
        "complete", "photos/a.png", "--find", "scratches", "--max_share", "0.0001", "--output", "out.png",
        "--weights", "pyramid", code=1,
    )  # fmt: skip
    assert "photos/a.png: " in said.err
    assert not Path("out.png").exists()


def test_a_photo_without_finds_is_copied_as_it_is() -> None:
    Image.new("RGB", (64, 64), "grey").save("plain.png")
    said = run_onar("complete", "plain.png", "--find", "dust,scratches", "--output", "out.png", "--weights", "pyramid")
    assert "no scratches or dust found: the photo stays as it is" in said.err
    assert Path("out.png").read_bytes() == Path("plain.png").read_bytes()


def test_a_found_photo_is_resumed() -> None:
    flags = ("photos", "--find", "scratches", "--output", "out", "--weights", "pyramid", "--resume")
    run_onar("complete", *flags)
    assert "3 results existed already" in run_onar("complete", *flags).out


@pytest.mark.parametrize("workers", [0, 2])
def test_files_are_completed_in_python_without_masks(workers: int) -> None:
    jobs = [Job(Path("photos", name), None, Path("out", name)) for name in ("a.png", "no.png", "c.tif")]
    config = CompletionConfig(find="scratches", workers=workers)
    outcomes = list(complete_files(jobs, Inpainter.load("pyramid"), config))
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]


@pytest.mark.parametrize(("arguments", "message"), [
    (["complete", "photos/a.png", "--output", "out.png"], "--mask is missing"),
    (["complete", "photos/a.png", "--find", "wires", "--output", "out.png"], "--find takes some of"),
    (["complete", "photos/a.png", "--find", "dust", "--dilate", "3", "--output", "out.png"], "--dilate is for --mask"),
    (["complete", "photos/a.png", "--mask", "photos/c.tif", "--grow", "3", "--output", "o"], "--grow is for --find"),
    (["find", "--output", "masks"], "name a photo"),
    (["find", "photos", "--output", "mask.png"], "must be a folder"),
    (["find", "photos/a.png", "--output", "mask.jpg"], "would blur the mask"),
    (["find", "photos/a.png", "--output", "photos"], "holds photos, and masks there"),
    (["find", "photos/a.png", "--output", "photos/a.png", "--overwrite"], "is a photo"),
    (["find", "photos", "--what", "wires", "--output", "masks"], "--what takes some of"),
    (["find", "photos", "--within", "1", "2", "--output", "masks"], "--within"),
    (["find", "photos", "--sensitivity", "2", "--output", "masks"], "--sensitivity must be from 0 to 1"),
])  # fmt: skip
def test_wrong_use_is_explained_and_writes_nothing(arguments: list[str], message: str) -> None:
    before = sorted(Path().rglob("*"))
    assert message in run_onar(*arguments, code=2).err
    assert sorted(Path().rglob("*")) == before
