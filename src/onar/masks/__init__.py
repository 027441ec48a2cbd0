"""Holes: how they are generated, what a mask means, and the composite."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onar.masks.generation import random_mask
    from onar.masks.holes import composite, known_from_mask, mask_from_known

__all__ = ["composite", "known_from_mask", "mask_from_known", "random_mask"]


def __getattr__(name: str) -> Any:  # settings need `masks.defaults` without OpenCV
    if name not in __all__:
        raise AttributeError(f"module 'onar.masks' has no attribute {name!r}")
    return getattr(import_module("onar.masks.generation" if name == "random_mask" else "onar.masks.holes"), name)
