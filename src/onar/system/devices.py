"""Where to compute, and with how much; torch is imported only when it is asked."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from onar.errors import UsageError

if TYPE_CHECKING:
    import torch

FEW_CPUS = 4


def check_device(device: str) -> str:
    """The name of a device; raises `UsageError` for what names none."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", device):
        raise UsageError(f"--device takes auto, cpu, cuda, cuda:NUMBER or mps, not {device!r}")
    return device


def choose_device(device: str) -> torch.device:
    """The device that "auto", "cpu", "cuda", "cuda:1" or "mps" names; auto takes a GPU when there is one.

    Raises:
        UsageError: the device is not there.
    """
    import torch

    kind, _, number = check_device(device).partition(":")

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        device = next(name for name, there in available.items() if there)
    elif not available[kind]:
        raise UsageError(f"--device {device} is not available here; use --device auto")
    elif number and int(number) >= (count := torch.cuda.device_count()):
        raise UsageError(f"--device {device} is not there: the GPUs here are cuda:0 to cuda:{count - 1}")
    return torch.device(device)


def prefers_torch(device: str) -> bool:
    """Whether a network on "auto", "cpu", "cuda", "cuda:1" or "mps" is for PyTorch: on a GPU that it can use.

    On a CPU it is for ONNX Runtime, which is as quick and starts in a tenth of the time. So torch, whose import takes
    seconds, is only asked where there may be a GPU.
    """
    if device == "cpu" or find_spec("torch") is None or (device == "auto" and not _may_have_gpu()):
        return False
    return device != "auto" or choose_device("auto").type != "cpu"


def _may_have_gpu() -> bool:
    """Whether this machine has what torch needs for a GPU: Apple's processor, NVIDIA's driver or AMD's."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return Path("/dev/kfd").exists()
    return True


def available_cpus() -> int:
    """How many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_cores() -> int:
    """How many cores have a CPU that this process may use; where that cannot be known, each CPU counts."""
    cores = set()
    for cpu in os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ():
        with suppress(OSError):
            cores.add(Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text())
    return len(cores) or available_cpus()


def let_threads_sleep() -> None:
    """Have OpenMP's threads wait asleep rather than spinning, unless the person has said how they should wait.

    To be called before torch is imported, by a program that is Onar's own. GNU's OpenMP, which torch brings on Linux,
    spins for milliseconds after each parallel operation. Beside another program, spinning uses up the time that the
    thread they wait for would need. Waking threads costs more the more there are, and was measured for two; with many
    all stays as it is.
    """
    if available_cpus() <= FEW_CPUS and "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # docs/performance.md has the figures


def limit_opencv(threads: int) -> None:
    """Let OpenCV use so many threads in this process; 0 for as many as it takes. For a program that is Onar's own."""
    if threads:
        import cv2

        cv2.setNumThreads(threads)


def keep_freed_memory() -> None:
    """Let this process keep memory that it frees, where the C library is glibc; elsewhere do nothing.

    To be called by a program that is Onar's own, because it holds for all that the process does, and cannot be undone.

    glibc gives every large block back to the system at once. A training step on the CPU asks for the same hundreds of
    them each time, and the system would clear each page anew: a fifth of the step.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return
    trim_threshold, mmap_max = -1, -4  # the numbers of these settings in malloc.h
    mallopt(mmap_max, 0)
    mallopt(trim_threshold, -1)


def return_large_blocks() -> None:
    """Let this process give each large block back as soon as it is free, where the C library is glibc.

    To be called by a program that is Onar's own, as `keep_freed_memory`, whose opposite it is: for a process that
    passes on megabytes and computes nothing. By itself glibc learns to keep blocks of sizes that it has seen freed.
    """
    with suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).mallopt(-3, 1 << 20)  # M_MMAP_THRESHOLD of malloc.h


def return_freed_memory() -> None:
    """Give back to the system what this process has freed, where the C library is glibc; elsewhere do nothing.

    glibc keeps what lies between blocks that are still used, in the hope that it will be asked for it again.
    """
    with suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
