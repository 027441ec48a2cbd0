"""From what a person paints on a reduced view of a photo to holes in the photo at its full size.

The view is at most `VIEW_SIZE` pixels a side. What is painted on it comes back as layers, picture files of which only
the alpha counts. Holes are bool H×W, True = hole.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from onar.imaging.images import EightBits, PhotoSource, damage_told, open_picture
from onar.masks import Holes, fit_holes

VIEW_SIZE = 1024
PAINT = (255, 45, 85, 160)
"""Red, green, blue and alpha of the brush; the photo shows through."""


def reduced_view(photo: EightBits) -> EightBits:
    """A photo, uint8 H×W or H×W×3, as uint8 H×W×3 of at most `VIEW_SIZE` pixels a side."""
    height, width = photo.shape[:2]
    size = view_size(height, width)
    if size != (height, width):
        photo = np.asarray(cv2.resize(photo, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    return np.repeat(photo[..., None], 3, axis=2) if photo.ndim == 2 else photo


def view_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of the view of a photo."""
    scale = min(1.0, VIEW_SIZE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def painted_holes(layers: Sequence[PhotoSource], height: int, width: int) -> Holes:
    """What is painted on any of the layers of a view of height×width; without layers, nothing.

    Raises:
        PhotoError: a layer cannot be read.
    """
    painted = np.zeros((height, width), bool)
    for layer in layers:
        with open_picture(layer) as opened, damage_told(layer):
            # An editor that has lost its picture sends layers of another size; they say nothing about this view.
            if opened.image.size == (width, height):
                painted |= np.asarray(opened.image.convert("RGBA").getchannel("A")) >= PAINT[3] // 2
    return painted


def paint_layer(holes: Holes) -> EightBits:
    """Holes of a view as a layer that can be painted on, uint8 H×W×4."""
    return np.where(holes[..., None], np.array(PAINT, np.uint8), np.uint8(0))


def resized(holes: Holes, height: int, width: int) -> Holes:
    """Holes at another size, by nearest neighbour."""
    return fit_holes(holes, height, width)


def full_size_holes(painted: Holes, height: int, width: int, mask: Holes | None = None) -> Holes:
    """Enlarge what is painted on a view to the photo's height×width.

    With the holes of a mask of the photo's size, which the view showed at first, those hold wherever the painting
    does not differ from them: so they keep details that the view is too small for.
    """
    enlarged = resized(painted, height, width)
    if mask is None:
        return enlarged
    changed = resized(painted != resized(mask, *painted.shape), height, width)
    return np.where(changed, enlarged, mask)
