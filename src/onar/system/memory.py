"""Memory of this computer that a program may take."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

UNKNOWN = 4e9
"""Bytes that are assumed where the system does not say: half of a small laptop's."""


def available_memory(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> float:
    """Bytes of memory that are free or can be freed, within the limit of a container.

    Elsewhere than on Linux, half of what is installed; `UNKNOWN` where that is unknown, too.

    Args:
        proc: folder with meminfo.
        groups: folder of the control group.
    """
    free = UNKNOWN
    with suppress(OSError, ValueError, AttributeError):  # AttributeError: Windows
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
    with suppress(OSError):
        if found := re.search(r"^MemAvailable:\s+(\d+) kB", (proc / "meminfo").read_text(), re.MULTILINE):
            free = 1024 * float(found[1])
    for limit, usage in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):  # no such file, or max
            free = min(free, max(0.0, float((groups / limit).read_text()) - float((groups / usage).read_text())))
    return free
