"""The part of a photo in which marks are wanted."""

from __future__ import annotations

from onar.errors import FieldError
from onar.inference.windows import Box


def region(within: tuple[float, float, float, float] | None, height: int, width: int) -> Box:
    """The rectangle of `FindOptions.within` in pixels of a photo, clipped to it; the whole photo for None.

    Raises `FieldError` when it lies outside the photo.

    >>> region((0.5, 0.5, 0.5, 0.5), height=100, width=300)
    Box(top=50, left=150, bottom=100, right=300)
    >>> region((10, 20, 30, 40), height=100, width=300)
    Box(top=20, left=10, bottom=60, right=40)
    """
    if within is None:
        return Box(0, 0, height, width)
    across, down = (width, height) if max(within) <= 1 else (1, 1)
    left, top, wide, tall = within
    box = Box(
        round(top * down),
        round(left * across),
        min(height, round((top + tall) * down)),
        min(width, round((left + wide) * across)),
    )
    if box.height < 1 or box.width < 1:
        given = " ".join(f"{number:g}" for number in within)
        raise FieldError("within", f"{given} holds no pixel of the photo of {width} x {height} pixels")
    return box
