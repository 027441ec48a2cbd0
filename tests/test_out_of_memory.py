"""Out of memory is an error of one line, whichever library raises it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onar.errors import OnarError, OutOfMemoryError, is_out_of_memory, map_memory_errors

pytestmark = pytest.mark.process

LIMITED = """
import resource, sys
from onar import Inpainter
from onar.cli import main
inpainter = Inpainter.load("pyramid")
import numpy as np
inpainter(np.zeros((20, 20, 3), np.uint8), np.eye(20, dtype=bool))  # what is imported late is there now
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + {more}, resource.RLIM_INFINITY))
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="limits and measures memory as Linux does")


@pytest.fixture(scope="module")
def large_photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    Image.new("RGB", (5000, 5000), "red").save(folder / "photo.png")
    Image.new("L", (5000, 5000), 0).save(folder / "mask.png")
    with Image.open(folder / "mask.png") as mask:
        mask.paste(255, (1000, 1000, 4000, 4000))
        mask.save(folder / "mask.png")
    return folder


def run_limited(program: str, megabytes: int, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a program with a limit on memory beyond that of Onar's imports."""
    code = LIMITED.format(more=megabytes * 2**20) + program
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=300)


@linux
@pytest.mark.parametrize("megabytes", [100, 300])
def test_a_photo_for_which_memory_does_not_do_is_named(large_photo: Path, megabytes: int) -> None:
    arguments = ["complete", "photo.png", "--mask", "mask.png", "--output", "out.png", "--weights", "pyramid"]
    done = run_limited(f"main({arguments} + ['--workers', '0'])", megabytes, large_photo)
    line = "onar: photo.png: not enough memory; --strategy crop and --workers 0 need the least"
    assert (done.returncode, done.stderr.strip().splitlines()[-1]) == (1, line)
    assert not (large_photo / "out.png").exists()


@linux
@pytest.mark.parametrize("verb", ["check .", "masks drawn --count 1 --img-size 20000"])
def test_other_verbs_say_that_memory_does_not_do(large_photo: Path, verb: str) -> None:
    done = run_limited(f"main({verb.split()})", 20, large_photo)
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("onar: ")
    assert "not enough memory" in line
    assert "Onar itself" not in line


@linux
def test_a_program_gets_an_error_that_is_both_onars_and_pythons(large_photo: Path) -> None:
    program = """
photo, hole = np.zeros((4000, 4000, 3), np.uint8), np.zeros((4000, 4000), bool)
hole[500:3500, 500:3500] = True
try:
    inpainter(photo, hole)
except MemoryError as error:
    print(type(error).__name__, error)
"""
    said = run_limited(program, 200, large_photo).stdout
    assert said.startswith("OutOfMemoryError not enough memory to fill the holes of 4000 x 4000 pixels; strategy=")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried to"),
        RuntimeError("could not create a primitive"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("can't start new thread"),
        Exception("OpenCV(5.0.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 432000000 bytes"),
        Exception("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : bad allocation"),
        Exception("bfc_arena.cc Failed to allocate memory for requested buffer of size 100000"),
        OSError(12, "Cannot allocate memory"),
        ImportError("libx.so: failed to map segment from shared object"),
    ],
)
def test_what_libraries_say_when_memory_runs_out_is_known(error: Exception) -> None:
    assert is_out_of_memory(error)
    with pytest.raises(OutOfMemoryError, match="too large") as raised, map_memory_errors("too large"):
        raise error
    assert raised.value.__cause__ is error
    assert is_out_of_memory(raised.value)


@pytest.mark.parametrize("error", [ValueError("memory"), OnarError("out of memory.png: no such file"), KeyError(3)])
def test_other_errors_are_not_taken_for_it(error: Exception) -> None:
    assert not is_out_of_memory(error)
    with pytest.raises(type(error)), map_memory_errors("too large"):
        raise error


def test_memory_of_an_array_is_recognised() -> None:
    with pytest.raises(MemoryError) as raised:
        np.empty(2**62, np.uint8)
    assert is_out_of_memory(raised.value)
