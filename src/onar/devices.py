"""Where to compute."""

from __future__ import annotations

import torch

from onar.errors import UsageError


def choose_device(device: str) -> torch.device:
    """The device that "auto", "cpu", "cuda" or "mps" names; auto takes a GPU when there is one.

    Raises:
        UsageError: the device is not there.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        device = next(name for name, there in available.items() if there)
    if not available.get(device, False):
        raise UsageError(f"--device {device} is not available here; use --device auto")
    return torch.device(device)
