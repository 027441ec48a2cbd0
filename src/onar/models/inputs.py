"""Checks of what a generator is called with; each message says what the input should be.

Shapes are always checked. Values are read, which a GPU has to be waited for, only outside training, where no gradients
are kept, and of known maps in whole numbers, such as masks from files.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

KNOWN = "1 = known, 0 = hole (known = 1 - mask)"
PHOTO_RANGE = (-0.5, 2.0)
"""Values of known pixels beyond which a photo cannot be one in [0, 1]: resampling overshoots by far less."""


def check_inputs(photo: Tensor, known: Tensor, channels: int) -> None:
    """Check the inputs of a generator.

    Warns where all known pixels are 0 and holes are not, as with an inverted mask. Where the holes are 0, too, an
    inverted mask cannot be distinguished from a right one.

    Args:
        photo: B×C×H×W in [0, 1].
        known: B×1×H×W, or 1×1×H×W for the whole batch; 1 = known, 0 = hole.
        channels: C, the channels of the network.

    Raises:
        ValueError: a shape, type or range is another.
    """
    if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
        return
    _check_shapes(photo, known, channels)
    if not torch.compiler.is_compiling() and (_is_whole(known) or not torch.is_grad_enabled()):
        _check_values(photo, known)


def _check_shapes(photo: Tensor, known: Tensor, channels: int) -> None:
    if photo.ndim != 4 or photo.shape[1] != channels:
        raise ValueError(f"photo must be B×{channels}×H×W in [0, 1], not {_shape(photo)}")
    if not photo.is_floating_point():
        raise ValueError(f"photo must hold floats in [0, 1], not {photo.dtype}: divide it by 255")
    batch, _, height, width = photo.shape
    if known.ndim != 4 or known.shape[0] not in (1, batch) or known.shape[1:] != (1, height, width):
        wanted = f"{batch}×1×{height}×{width}"
        raise ValueError(f"known must be B×1×H×W, here {wanted}, not {_shape(known)}: {KNOWN}")


def _is_whole(known: Tensor) -> bool:
    """Whether a known map is of whole numbers other than booleans."""
    return not (known.is_floating_point() or known.dtype == torch.bool)


@torch.no_grad()
def _check_values(photo: Tensor, known: Tensor) -> None:
    if 0 in photo.shape:
        return
    is_known = known != 0
    shown = photo.where(is_known, 0.0)
    # one transfer for all numbers, and without NaN, which holes may have.
    numbers = (known.amin(), known.amax(), shown.amin(), shown.amax(), photo.where(~is_known, 0.0).abs().amax())
    low, high, darkest, brightest, hidden = torch.stack([number.float() for number in numbers]).tolist()
    if low < 0 or high > 1:
        raise ValueError(f"known must be in [0, 1], not from {low:g} to {high:g}: {KNOWN}")
    if darkest < PHOTO_RANGE[0] or brightest > PHOTO_RANGE[1]:
        raise ValueError(f"photo must be in [0, 1], not from {darkest:g} to {brightest:g}")
    if darkest == brightest == 0 and hidden > 0:
        warnings.warn(f"all known pixels are black, and the holes are not: is the mask inverted? {KNOWN}", stacklevel=4)


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape))
