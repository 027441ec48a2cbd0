"""Failures of the standard streams never stop the work."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import PHOTOS
from tests.support.processes import run as run_process
from tests.support.runs import SMALL, train_command

pytestmark = pytest.mark.process

PHOTO = PHOTOS / "skimage_coffee.jpg"
needs_posix = pytest.mark.skipif(os.name != "posix", reason="closes descriptors as a shell does")


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    with Image.open(PHOTO) as photo:
        hole = np.zeros((photo.height, photo.width), np.uint8)
    hole[20:40, 20:40] = 255
    Image.fromarray(hole).save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


def complete_command(mask: Path, output: Path) -> list[str]:
    arguments = [str(PHOTO), "--mask", str(mask), "--output", str(output), "--weights", "pyramid"]
    return [sys.executable, "-m", "onar", "complete", *arguments]


@contextmanager
def broken_pipe() -> Iterator[int]:
    """A descriptor to write to that nothing reads from."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize("stderr_too", [False, True])
def test_photos_are_completed_when_nobody_reads_what_is_printed(tmp_path: Path, mask: Path, stderr_too: bool) -> None:
    output = tmp_path / "out.png"
    with broken_pipe() as pipe:
        command, errors = complete_command(mask, output), pipe if stderr_too else subprocess.PIPE
        done = subprocess.run(command, stdout=pipe, stderr=errors, timeout=300, check=False)
    assert (done.returncode, done.stderr or b"") == (0, b"")
    assert Image.open(output).size == Image.open(PHOTO).size


def test_a_training_whose_output_nobody_reads_ends_with_its_weights(photos: Path, tmp_path: Path) -> None:
    command = train_command(data=photos, results_dir=tmp_path / "results", **{**SMALL, "epochs": 1})
    with broken_pipe() as pipe:
        done = run_process(*command, stdout=pipe, code=0)
    assert "error" not in done.stderr.lower()
    assert (tmp_path / "results" / "generator_final.pth").is_file()


@pytest.mark.parametrize(("encoding", "name"), [("cp1252", "şğ"), ("ascii", "köprü"), ("cp1251", "ı×")])
def test_letters_that_the_output_cannot_show_are_replaced(tmp_path: Path, mask: Path, encoding: str, name: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    output = tmp_path / f"{name}.png"
    run = subprocess.run(complete_command(mask, output), capture_output=True, env=environment, check=False)
    assert (run.returncode, run.stderr) == (0, b"")
    assert output.is_file()
    assert b"?" in run.stdout
    assert run.stdout.decode(encoding).isprintable() or "\n" in run.stdout.decode(encoding)


@needs_posix
@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&- <&-"])
def test_streams_that_are_closed_are_no_place_for_files_or_bars(tmp_path: Path, mask: Path, closed: str) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}.jpg").write_bytes(PHOTO.read_bytes())
    command = complete_command(mask, tmp_path / "out")
    command[command.index(str(PHOTO))] = str(folder)
    run = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *command], timeout=300, check=False, capture_output=True)
    assert run.returncode == 0
    results = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in results] == ["0.jpg", "1.jpg"]
    assert all(Image.open(path).size == Image.open(PHOTO).size for path in results)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_under_the_output_is_reported_at_the_end(tmp_path: Path, mask: Path) -> None:
    output = tmp_path / "out.png"
    with open("/dev/full", "wb") as full:
        run = subprocess.run(complete_command(mask, output), stdout=full, stderr=subprocess.PIPE, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith(b"onar: all is done, but the printed output is lost: ")
    assert run.stderr.count(b"\n") == 1
    assert output.is_file()


def test_a_program_without_streams_can_complete(tmp_path: Path, mask: Path) -> None:
    """As under pythonw, where Onar is called from Python and `main` has prepared nothing."""
    code = """
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from onar.completion.verb import complete
sys.stdout = sys.stderr = None
photo, mask, output = map(Path, sys.argv[1:])
complete([photo, photo.with_name("skimage_chelsea.jpg")][:1], mask, output, weights="pyramid")
import onar.system.console
assert list(onar.system.console.progress_bar([1, 2])) == [1, 2]
"""
    command = [sys.executable, "-c", code, str(PHOTO), str(mask), str(tmp_path / "out.png")]
    run = subprocess.run(command, capture_output=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "out.png").is_file()
