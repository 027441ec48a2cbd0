"""Tasks that tests give to a child of the server.

A child imports the module of its task: this one imports neither PyTorch nor the tests, which would take seconds.
"""

import ctypes
import os
import time
from pathlib import Path

from onar.errors import OnarError
from onar.serve import child
from onar.serve.child import expecting, reached


def wait_for(path: Path) -> str:
    while not path.exists():
        time.sleep(0.01)
    return "done"


def begin_and_wait_for(begun: Path, path: Path) -> str:
    begun.touch()
    return wait_for(path)


def report_for_ever() -> None:
    reached(0.1)
    while True:
        reached(0.5)


def report_and_return(shares: list[float]) -> str:
    for share in shares:
        reached(share)
    return "done"


def alone(folder: Path, number: int) -> None:
    (folder / "running").mkdir()  # fails when another has
    with (folder / "order").open("a") as file:
        file.write(f"{number}\n")
    (folder / "running").rmdir()


def fail(error: Exception) -> None:
    raise error


def print_and_return(text: str) -> str:
    print(text, flush=True)
    os.write(1, text.encode())
    return text


def take_gigabytes() -> int:
    return len(bytearray(10**15))


def crash() -> None:
    ctypes.string_at(0)


def expect_and_return(cpu_seconds: float) -> str:
    with expecting(cpu_seconds):
        return "done"


def fill_after_loading_for_long() -> None:
    assert child._runner is not None
    child._runner._started -= 25
    with expecting(cpu_seconds=10):
        raise AssertionError("the work begins")


def load(path: Path) -> str:
    if not path.exists():
        raise OnarError(f"cannot read {path}")
    return "loaded"
