"""Progress: a bar where someone looks, a line now and then in a log, and nothing for what is quick."""

import io
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onar.system import console
from onar.system.console import elapsed_time, progress_bar
from tests.conftest import PHOTOS
from tests.support.runs import run_onar


class Terminal(io.StringIO):
    """A stream that calls itself a terminal."""

    def isatty(self) -> bool:
        return True


@contextmanager
def printing_to(stream: io.StringIO, seconds: float = 0.05) -> Iterator[io.StringIO]:
    """Print progress there, in a log with these seconds between lines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        patch.setattr(console, "SECONDS_BETWEEN_LINES", seconds)
        yield stream


def work_until(shown: str, stream: io.StringIO) -> None:
    """Work as long as it takes to be shown."""
    pause, waited = threading.Event(), 0
    while shown not in stream.getvalue():
        pause.wait(0.02)
        waited += 1
        assert waited < 1500, stream.getvalue()


def test_in_a_log_long_work_is_lines_and_no_bar() -> None:
    with printing_to(io.StringIO()) as stream:
        with elapsed_time("Filling a.png"):
            work_until("Filling a.png: 0 s\nFilling a.png: 0 s\n", stream)
        with progress_bar(total=1000, unit="photo") as bar:
            while stream.getvalue().count("photo/s") < 2:
                bar.update()
                bar.refresh()
        assert "\r" not in stream.getvalue()
        assert all(re.match(r"Filling a\.png: \d+ s$|\d+%|\d+photo", line) for line in stream.getvalue().splitlines())


def test_in_a_log_quick_work_leaves_nothing() -> None:
    with printing_to(io.StringIO(), 30) as stream:
        assert list(progress_bar(range(3), desc="Reading")) == [0, 1, 2]
        with elapsed_time("Filling a.png"):
            pass
        assert stream.getvalue() == ""


def test_on_a_terminal_the_time_is_shown_in_one_line_that_goes_away() -> None:
    with printing_to(Terminal()) as stream:
        with elapsed_time("Filling a.png", delay=0.0):
            work_until("\rFilling a.png: 1 s", stream)
        *_, last = stream.getvalue().split("\r")
        assert last == ""
        assert "\n" not in stream.getvalue()
        with elapsed_time("Filling b.png"):
            pass
        assert "b.png" not in stream.getvalue()


def test_a_bar_is_drawn_on_a_terminal() -> None:
    with printing_to(Terminal()) as stream:
        assert list(progress_bar(range(3), desc="Reading")) == [0, 1, 2]
        assert "Reading: 100%|" in stream.getvalue()


@pytest.mark.process
def test_a_verb_works_where_no_thread_can_be_started_and_stderr_is_closed(tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    Image.fromarray(np.eye(20, dtype=np.uint8) * 255).save(tmp_path / "m.png")
    code = (
        "import threading, sys; from onar.system.console import elapsed_time\n"
        'def refuse(_thread): raise RuntimeError("can\'t start new thread")\n'
        "threading.Thread.start = refuse\n"
        "with elapsed_time('x'): pass\n"
        "sys.stderr = None\n"
        "with elapsed_time('x'): print('done')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "done\n"


def test_completed_is_not_said_of_a_photo_without_a_hole(tmp_path: Path) -> None:
    photo = PHOTOS / "skimage_coffee.jpg"
    with Image.open(photo) as opened:
        size = opened.size
    Image.new("L", size).save(tmp_path / "m.png")
    said = run_onar("complete", photo, "--mask", tmp_path / "m.png", "--output", tmp_path / "b.jpg")
    assert "completed " not in said.out
    assert f"not filled, because there is no hole: {tmp_path / 'b.jpg'}" in said.out
    assert (tmp_path / "b.jpg").read_bytes() == photo.read_bytes()
    Image.new("L", size, 255).save(tmp_path / "n.png")
    (tmp_path / "photos").mkdir()
    (tmp_path / "masks").mkdir()
    for name, mask in (("one", "m"), ("two", "n")):
        (tmp_path / "photos" / f"{name}.jpg").write_bytes(photo.read_bytes())
        (tmp_path / "masks" / f"{name}.png").write_bytes((tmp_path / f"{mask}.png").read_bytes())
    words = ("--mask", tmp_path / "masks", "--output", tmp_path / "out", "--weights", "pyramid")
    said = run_onar("complete", tmp_path / "photos", *words)
    assert f"completed {tmp_path / 'out' / 'two.jpg'}" in said.out
    assert "no hole: " in said.out.splitlines()[-1]
    assert "one.jpg" in said.out.splitlines()[-1]
