"""Folders that take seconds to make: the first test process that needs one makes it for all."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(folders: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder of all test processes of a run, to be read only.

    Args:
        folders: where the test process has its folders; those of pytest-xdist's processes are in one of the run.
        name: of the folder, which no other has.
        make: makes the folder at a path; when it fails, the next process that needs the folder makes it again.
    """
    base = folders.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made_once" / name
    folder.parent.mkdir(exist_ok=True)
    done = folder.with_name(f"{name}.done")
    with FileLock(folder.with_name(f"{name}.lock")):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            done.touch()
    return folder
