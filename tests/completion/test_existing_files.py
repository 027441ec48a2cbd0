"""Files that exist before a call or appear during it, and resuming a stopped call."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from onar import CompletionConfig, Inpainter, Job, complete_files
from onar.completion import in_process
from onar.completion.results import Work
from tests.completion.test_completion import hole_of, photo_of, save_mask
from tests.conftest import PHOTOS
from tests.support.processes import Process
from tests.support.runs import Said, run_onar, wait_until

SIZE = 48, 64


@pytest.fixture(autouse=True)
def an_album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder: three photos of different content and kind, each with its mask."""
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for number, name in enumerate(("a.png", "b.jpg", "c.tif")):
        Image.fromarray(np.roll(np.asarray(photo_of(*SIZE)), 9 * number, 1)).save(f"photos/{name}")
        save_mask(Path("masks") / f"{name[0]}.png", hole_of(*SIZE))


def onar(*more: object, photos: str = "photos", output: str = "out", code: int = 0) -> Said:
    words = "--mask", "masks", "--output", output, "--weights", "pyramid"
    return run_onar("complete", photos, *words, *more, code=code)


def contents(folder: str = "out") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


# ---------------------------------------------------------------- what appears meanwhile
def jobs_of(*names: str) -> list[Job]:
    return [Job(Path("photos", name), Path("masks", f"{name[0]}.png"), Path("out", name)) for name in names]


@pytest.mark.parametrize("when", ["before it is filled", "while it is written"])
def test_a_file_that_appears_meanwhile_stays_and_stops_no_photo(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    Path("out").mkdir()
    write = in_process.write_result

    def jobs_and_a_file() -> Iterator[Job]:
        for job in jobs_of("a.png", "b.jpg", "c.tif"):
            if when == "before it is filled" and job.output.name == "b.jpg":
                job.output.write_bytes(b"precious")
            yield job

    def write_late(work: Work, *rest: Any) -> list[str]:
        if when == "while it is written" and work.job.output.name == "b.jpg":
            work.job.output.write_bytes(b"precious")
        return write(work, *rest)

    monkeypatch.setattr(in_process, "write_result", write_late)
    outcomes = complete_files(jobs_and_a_file(), Inpainter.load("pyramid"), overwrite=False)
    errors = [outcome.error for outcome in outcomes]
    assert (errors[0], errors[2]) == (None, None)
    assert str(errors[1]).startswith("photos/b.jpg: out/b.jpg has appeared meanwhile")
    assert (sorted(contents()), contents()["b.jpg"]) == (["a.png", "b.jpg", "c.tif"], b"precious")


def test_pictures_beside_a_result_replace_nothing_either() -> None:
    Path("out").mkdir()
    beside = Path("out/a_overlay.png")
    work = complete_files(jobs_of("a.png"), Inpainter.load("pyramid"), CompletionConfig(overlay=True), overwrite=False)
    beside.write_bytes(b"precious")
    (outcome,) = work
    assert str(outcome.error).startswith("photos/a.png: out/a_overlay.png has appeared meanwhile")
    assert beside.read_bytes() == b"precious"


# ---------------------------------------------------------------- what was stopped
def test_existing_results_stay_and_the_rest_is_completed() -> None:
    onar("--overlay", "--compare")
    whole = contents()
    for name in ("c.tif", "b_compare.png"):
        Path("out", name).unlink()
    before = {name: Path("out", name).stat().st_mtime_ns for name in contents()}
    said = onar("--overlay", "--compare", "--resume").out
    assert said.splitlines()[1:] == ["completed out/c.tif", "2 results existed already"]
    assert contents().keys() == whole.keys()
    assert {name: content for name, content in contents().items() if name != "b_compare.png"} == {
        name: content for name, content in whole.items() if name != "b_compare.png"
    }
    assert all(Path("out", name).stat().st_mtime_ns == time for name, time in before.items())


def unfinished_results() -> dict[str, bytes]:
    """Files instead of a result, by the reason for which they are none."""
    onar()
    whole = Path("out/a.png").read_bytes()
    photo_of(9, 9).save("small.png")
    photo_of(*SIZE).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save("other.png")
    found = {
        "truncated": whole[: len(whole) // 2],
        "not a picture": b"no picture",
        "it is 9 x 9 pixels": Path("small.png").read_bytes(),
        "its known pixels are not the photo's": Path("other.png").read_bytes(),
        "it is the photo, with its holes unfilled": Path("photos/a.png").read_bytes(),
        "it is a file of JPEG": Path("out/b.jpg").read_bytes(),
        "whole": whole,
    }
    shutil.rmtree("out")
    return found


def test_an_existing_file_is_a_result_only_if_it_is_whole_and_of_its_photo() -> None:
    found = unfinished_results()
    whole = found.pop("whole")
    Path("out").mkdir()
    for reason, content in found.items():
        Path("out/a.png").write_bytes(content)
        said = onar("--resume", photos="photos/a.png", code=1).err
        assert "out/a.png exists, but is not a result to resume from (" in said
        assert reason in said
        assert contents() == {"a.png": content}
        onar("--resume", "--overwrite", photos="photos/a.png")
        assert contents() == {"a.png": whole}


def test_a_jpeg_is_a_result_though_its_known_pixels_changed() -> None:
    noisy = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    Image.fromarray(noisy).save("photos/b.jpg", quality=60)
    onar(photos="photos/b.jpg")
    before = contents()
    Image.fromarray(noisy[::-1]).save("photos/b.jpg", quality=60)
    assert "its known pixels are not the photo's" in onar("--resume", photos="photos/b.jpg", code=1).err
    Image.fromarray(noisy).save("photos/b.jpg", quality=60)
    onar("--resume", photos="photos/b.jpg")
    assert contents() == before


def test_photos_replaced_in_place_cannot_be_resumed() -> None:
    said = onar("--resume", "--overwrite", output="photos", code=2)
    assert "--resume cannot see whether photos" in said.err


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_call_leaves_only_whole_files_and_resumes(number: int) -> None:
    large = Image.open(PHOTOS / "skimage_coffee.jpg").resize((450, 300))
    hole = np.zeros((300, 450), bool)
    hole[50:250, 50:400] = True
    for photo in Path("photos").iterdir():
        photo.unlink()
    for index in range(40):
        large.save(f"photos/{index:02}.png", compress_level=1)
        save_mask(Path("masks", f"{index:02}.png"), hole)
    command = ["-m", "onar", "complete", "photos", "--mask", "masks", "--output", "out", "--weights", "pyramid"]
    with Process(*command) as process:
        wait_until(lambda: Path("out").is_dir() and len(os.listdir("out")) > 1)
        process.send_signal(number)
        assert process.wait(timeout=60) == 128 + number
    stopped = contents()
    assert 0 < len(stopped) < 40
    assert not [name for name in stopped if name.startswith(".")]
    onar("--resume")
    assert (len(contents()), len(set(contents().values()))) == (40, 1)
    assert all(contents()[name] == content for name, content in stopped.items())


# ---------------------------------------------------------------- times
def test_results_keep_the_times_of_the_photos_when_asked() -> None:
    Image.new("L", SIZE[::-1]).save("masks/c.png")  # nothing to fill
    for number, photo in enumerate(sorted(Path("photos").iterdir())):
        os.utime(photo, ns=(10**18 + number, 10**17 + number))
    onar("--keep_times")
    for result in Path("out").iterdir():
        photo = Path("photos", result.name).stat()
        assert result.stat().st_mtime_ns == photo.st_mtime_ns == 10**17 + ord(result.name[0]) - ord("a")
    before = Path("photos/a.png").stat()
    onar("--overwrite", "--keep_times", photos="photos/a.png", output="photos/a.png")
    assert Path("photos/a.png").stat().st_mtime_ns == before.st_mtime_ns
    onar("--overwrite", photos="photos/a.png")
    assert Path("out/a.png").stat().st_mtime_ns != before.st_mtime_ns
