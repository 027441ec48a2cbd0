"""Augmentation of training photos beyond crops and mirroring: blur, JPEG artefacts and rotation.

A photo is augmented before its holes are cut, so known pixels and target are consistent. Blur and rotation are
torchvision's, JPEG is Pillow's. Amounts are uniformly distributed between none and the setting, drawn from the
sample's own generator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from onar.imaging.images import EightBits
from onar.masks.holes import Holes


@dataclass(frozen=True)
class Change:
    """The augmentation of one photo.

    Attributes:
        blur: standard deviation of a Gaussian, in pixels of the crop.
        jpeg: JPEG quality, from 1 to 100; None for no compression.
        rotation: degrees, counter-clockwise.
    """

    blur: float = 0.0
    jpeg: int | None = None
    rotation: float = 0.0

    def size_to_read(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of a crop whose centre, after rotation, covers height×width.

        >>> Change(rotation=45).size_to_read(100, 100)
        (143, 143)
        """
        if not self.rotation:
            return height, width
        angle = math.radians(abs(self.rotation))
        scale = math.cos(angle) + math.sin(angle) * max(height / width, width / height)
        return math.ceil(scale * height) + 1, math.ceil(scale * width) + 1  # the centre may be half a pixel off

    def __call__(self, pixels: NDArray[Any], height: int, width: int) -> NDArray[Any]:
        """Augment a photo, H×W×C of `size_to_read` (uint8 H×W×3 for JPEG), to height×width×C, without padding."""
        if self == UNCHANGED:
            return pixels
        from torchvision.transforms.v2 import functional

        photo = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
        if self.rotation:
            photo = functional.rotate(photo, self.rotation, interpolation=functional.InterpolationMode.BILINEAR)
            photo = functional.center_crop(photo, [height, width])
        if self.blur:
            reach = min(math.ceil(3 * self.blur), height - 1, width - 1)
            photo = functional.gaussian_blur(photo, [2 * reach + 1, 2 * reach + 1], [self.blur, self.blur])
        changed: NDArray[Any] = photo.permute(1, 2, 0).numpy()
        return changed if self.jpeg is None else _compressed(changed, self.jpeg)

    def turn_holes(self, hole: Holes, height: int, width: int) -> Holes:
        """Rotate bool H×W holes of `size_to_read` as the photo; bool height×width."""
        if not self.rotation:
            return hole
        from torchvision.transforms.v2 import functional

        turned = functional.rotate(torch.from_numpy(hole.astype(np.uint8))[None], self.rotation)
        holes: Holes = functional.center_crop(turned, [height, width])[0].numpy() > 0
        return holes


def _compressed(pixels: EightBits, quality: int) -> EightBits:
    """Compress uint8 H×W×3 as JPEG with 4:2:0 subsampling, and decode it again."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


UNCHANGED = Change()


@dataclass(frozen=True)
class Augmentation:
    """Limits of the augmentation; None disables one.

    Attributes:
        blur: maximum standard deviation of a Gaussian, in pixels of the crop, above 0.
        jpeg: minimum JPEG quality, from 1 to 100.
        rotation: maximum degrees in either direction, above 0 and at most 45.

    >>> Augmentation(rotation=5).draw(np.random.default_rng(0)).jpeg is None
    True
    """

    blur: float | None = None
    jpeg: int | None = None
    rotation: float | None = None

    def draw(self, rng: np.random.Generator) -> Change:
        """Draw the augmentation of one photo. The value of one kind does not depend on the others being enabled."""
        blur, quality, angle = rng.uniform(size=3)
        return Change(
            blur=(self.blur or 0.0) * blur,
            jpeg=None if self.jpeg is None else self.jpeg + math.floor((101 - self.jpeg) * quality),
            rotation=(self.rotation or 0.0) * (2 * angle - 1),
        )


NO_AUGMENTATION = Augmentation()
