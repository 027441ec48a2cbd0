"""Compute devices, threads and memory; torch is imported only when needed."""

from __future__ import annotations

import atexit
import ctypes
import gc
import math
import os
import platform
import re
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from onar.errors import FieldError

if TYPE_CHECKING:
    import torch

FEW_CPUS = 4


def check_device(device: str) -> str:
    """Validate the name of a device; raises `UsageError` if it is none.

    >>> check_device("cuda:1")
    'cuda:1'
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", device):
        raise FieldError("device", f"takes auto, cpu, cuda, cuda:NUMBER or mps, not {device!r}")
    return device


def choose_device(device: str) -> torch.device:
    """The torch device for "auto", "cpu", "cuda", "cuda:1" or "mps"; auto chooses a GPU if one is available.

    Raises `UsageError` if the device is not available.

    >>> choose_device("cpu")
    device(type='cpu')
    """
    import torch

    kind, _, number = check_device(device).partition(":")

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        device = next(name for name, there in available.items() if there)
    elif not available[kind]:
        raise FieldError("device", f"{device} is not available here; use `device` auto")
    elif number and int(number) >= (count := torch.cuda.device_count()):
        raise FieldError("device", f"{device} is not there: the GPUs here are cuda:0 to cuda:{count - 1}")
    return torch.device(device)


def prefers_torch(device: str) -> bool:
    """Whether to run a network on "auto", "cpu", "cuda", "cuda:1" or "mps" with PyTorch: on GPUs that it supports.

    On a CPU, ONNX Runtime is as fast and starts in a tenth of the time. Importing torch takes seconds, so it is
    imported only if there may be a GPU.

    >>> prefers_torch("cpu")
    False
    """
    if device == "cpu" or find_spec("torch") is None or (device == "auto" and not _may_have_gpu()):
        return False
    return device != "auto" or choose_device("auto").type != "cpu"


def _may_have_gpu() -> bool:
    """Whether this machine may have a GPU for torch: an Apple processor, NVIDIA's driver or AMD's."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    return _nvidia_driver() is not None or Path("/dev/kfd").exists()


def _nvidia_driver() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None


def _has_nvidia_gpu() -> bool:
    """Whether the driver finds a GPU; it may be installed without one."""
    driver, count = _nvidia_driver(), ctypes.c_int(0)
    try:
        return (
            driver is not None
            and not driver.cuInit(0)
            and not driver.cuDeviceGetCount(ctypes.byref(count))
            and (count.value > 0)
        )
    except AttributeError:  # another library of this name
        return False


def describe_device(device: torch.device) -> str:
    """The name of a device, such as "NVIDIA RTX A2000" or "the CPU"."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return {"cpu": "the CPU", "mps": "the GPU of this Mac"}.get(device.type, device.type)


def unused_gpu() -> str:
    """The reason why PyTorch does not use this computer's NVIDIA GPU, and the remedy; empty where there is none."""
    import torch

    if not _has_nvidia_gpu() or torch.cuda.is_available():
        return ""
    if torch.version.cuda is None:
        return (
            "this computer has an NVIDIA GPU, but this PyTorch was built without CUDA: install one that has it, "
            "https://pytorch.org/get-started/locally"
        )
    return f"PyTorch cannot use this computer's NVIDIA GPU: update its driver for CUDA {torch.version.cuda}"


def cpu_share() -> float:
    """CPUs that this process may use: those of its affinity, or less by the quota of its container, such as 1.5."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(float(cpus), cpu_quota())


def available_cpus() -> int:
    """Number of threads that use all of `cpu_share`."""
    return math.ceil(cpu_share())


def cpu_quota(mounts: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> float:
    """CPUs that the control groups of this process are worth in a period; infinity without a quota, or unless on Linux.

    `docker run --cpus 1.5`, `cpus` of Compose, Kubernetes' `limits.cpu` and systemd's `CPUQuota` set such quotas, which
    the affinity does not show. Groups within others are limited by all of them.

    Args:
        mounts: where the groups of version 2 are, or those of version 1 with a folder for each controller.
        membership: the file that names the groups of the process.

    References:
        cgroups(7); Documentation/admin-guide/cgroup-v2.rst of Linux, cpu.max; its scheduler/sched-bwc.rst,
        cpu.cfs_quota_us.
    """
    quotas = [math.inf]
    with suppress(OSError):
        for line in membership.read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if not controllers:
                quotas += [_quota(folder / "cpu.max") for folder in _with_parents(mounts, group)]
            elif "cpu" in controllers.split(","):
                quotas += [_quota(folder / "cpu.cfs_quota_us") for folder in _with_parents(mounts / "cpu", group)]
    return min(quotas)


def _with_parents(mount: Path, group: str) -> list[Path]:
    """Folders of a control group and those round it; in a container its own may be the mount itself."""
    folder = mount / group.lstrip("/")
    return [folder, *(parent for parent in folder.parents if parent.is_relative_to(mount))]


def _quota(file: Path) -> float:
    """The quota in a file of a control group, in CPUs; infinity if there is none."""
    try:
        quota, *period = file.read_text().split()
        if not period:  # version 1 has a file for each
            period = [file.with_name("cpu.cfs_period_us").read_text()]
        share = int(quota) / int(period[0])
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or max
        return math.inf
    return share if share > 0 else math.inf


def available_cores() -> int:
    """Number of physical cores that this process may use, and has a share for; if unknown, the number of CPUs."""
    cores = set()
    for cpu in os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ():
        with suppress(OSError):
            cores.add(Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text())
    return min(len(cores) or available_cpus(), available_cpus())


def let_threads_sleep() -> None:
    """Make OpenMP's threads sleep instead of spinning while they wait, unless `OMP_WAIT_POLICY` is set.

    For Onar's own programs; call it before torch is imported. GNU's OpenMP, which torch uses on Linux, spins for
    milliseconds after each parallel operation. On a busy machine, spinning takes CPU time from the thread that is
    waited for. The cost of waking threads grows with their number and was measured for two, so nothing changes above
    `FEW_CPUS`.
    """
    if available_cpus() <= FEW_CPUS and "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # docs/performance.md has the figures


def limit_openmp() -> None:
    """Limit the threads of torch's OpenMP and numpy's OpenBLAS to `cpu_share`, unless `OMP_NUM_THREADS` is set.

    For Onar's own programs; call it before torch is imported. Both count the CPUs of the affinity, and know no quota.
    """
    if cpu_quota() < math.inf:
        os.environ.setdefault("OMP_NUM_THREADS", str(available_cores()))


def limit_opencv(threads: int) -> None:
    """Set the number of OpenCV's threads in this process; 0 is `available_cpus`. For Onar's own programs."""
    import cv2

    cv2.setNumThreads(threads or available_cpus())


def collect_less() -> None:
    """Keep the garbage collector from what is imported so far, and from everything when the process ends.

    For Onar's own programs. At its end, Python looks for cycles in all modules and frees the networks one by one,
    before the system takes back their memory at once: a tenth of the time of a small photo.
    """
    gc.freeze()
    atexit.register(gc.freeze)


def keep_freed_memory() -> None:
    """Make glibc keep freed memory instead of returning it to the system; no effect with other C libraries.

    For Onar's own programs: it applies to the whole process and cannot be undone. glibc returns every large block at
    once. A training step on the CPU allocates the same hundreds of blocks each time, and the system would clear every
    page again: a fifth of the step.
    """
    with suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).mallopt(-4, 0)  # M_MMAP_MAX of malloc.h
        ctypes.CDLL(None).mallopt(-1, -1)  # M_TRIM_THRESHOLD


def return_large_blocks() -> None:
    """Make glibc return each large block to the system as soon as it is freed: the opposite of `keep_freed_memory`.

    For Onar's own programs that pass on megabytes and compute nothing. By default glibc learns to keep blocks of
    sizes that were freed before.
    """
    with suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).mallopt(-3, 1 << 20)  # M_MMAP_THRESHOLD of malloc.h


def return_freed_memory() -> None:
    """Return freed memory between blocks in use, which glibc keeps, to the system (`malloc_trim`)."""
    with suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
