"""Changes of training photos beyond crops and mirroring: blur, JPEG's traces and rotation.

A photo is changed before its holes are cut, so what is known and what is to be found stay one picture. The changes are
torchvision's, but for Pillow's JPEG; amounts are drawn evenly between none and the setting, from the sample's own
random numbers.
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
    """What happens to one photo, with its amounts.

    Attributes:
        blur: standard deviation of a Gaussian, in pixels of the crop.
        jpeg: quality to compress with, from 1 to 100; None does not.
        rotation: degrees, counter-clockwise.
    """

    blur: float = 0.0
    jpeg: int | None = None
    rotation: float = 0.0

    def size_to_read(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of a crop that, once turned, still fills a photo of that size in its middle."""
        if not self.rotation:
            return height, width
        angle = math.radians(abs(self.rotation))
        scale = math.cos(angle) + math.sin(angle) * max(height / width, width / height)
        return math.ceil(scale * height) + 1, math.ceil(scale * width) + 1  # the middle may be half a pixel off

    def __call__(self, pixels: NDArray[Any], height: int, width: int) -> NDArray[Any]:
        """Change a photo.

        Args:
            pixels: H×W×C of `size_to_read`; uint8 H×W×3 to be compressed.
            height: rows of the result.
            width: columns of the result.

        Returns:
            height×width×C, without a pixel from outside of what was given.
        """
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
        """Turn bool H×W holes of `size_to_read` as the photo is; bool height×width."""
        if not self.rotation:
            return hole
        from torchvision.transforms.v2 import functional

        turned = functional.rotate(torch.from_numpy(hole.astype(np.uint8))[None], self.rotation)
        holes: Holes = functional.center_crop(turned, [height, width])[0].numpy() > 0
        return holes


def _compressed(pixels: EightBits, quality: int) -> EightBits:
    """What is left of uint8 H×W×3 after JPEG, with the halved colours that cameras write."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


UNCHANGED = Change()


@dataclass(frozen=True)
class Augmentation:
    """How far photos may be changed; None leaves that as it is.

    Attributes:
        blur: largest standard deviation of a Gaussian, in pixels of the crop, above 0.
        jpeg: lowest quality, from 1 to 100.
        rotation: most degrees either way, above 0 and at most 45.
    """

    blur: float | None = None
    jpeg: int | None = None
    rotation: float | None = None

    def draw(self, rng: np.random.Generator) -> Change:
        """Choose the change of one photo. What is drawn for one kind does not depend on whether others are on."""
        blur, quality, angle = rng.uniform(size=3)
        return Change(
            blur=(self.blur or 0.0) * blur,
            jpeg=None if self.jpeg is None else self.jpeg + math.floor((101 - self.jpeg) * quality),
            rotation=(self.rotation or 0.0) * (2 * angle - 1),
        )


NO_AUGMENTATION = Augmentation()
