"""Margins round a photo, by which it is extended: what is new is a hole at its edge."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_MARGIN = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)(%?)")
RULE = "takes one margin for all sides, or LEFT,TOP,RIGHT,BOTTOM: whole pixels, or a share such as 10%"


class Margins(NamedTuple):
    """Pixels on each side."""

    left: int
    top: int
    right: int
    bottom: int

    def around(self, picture: NDArray[Any], value: int) -> NDArray[Any]:
        """A picture, H×W or H×W×C, within margins of one value.

        >>> Margins(1, 0, 0, 1).around(np.ones((1, 2), np.uint8), 0).tolist()
        [[0, 1, 1], [0, 0, 0]]
        """
        sides = [(self.top, self.bottom), (self.left, self.right), *[(0, 0)] * (picture.ndim - 2)]
        return np.pad(picture, sides, constant_values=value)


def are_margins(text: str) -> bool:
    """Whether a text says margins, at least one of them more than 0.

    >>> [are_margins(text) for text in ("10%", "0,0,40,12.5%", "1,2", "0", "1.5")]
    [True, True, False, False, False]
    """
    found = [_MARGIN.fullmatch(side.strip()) for side in text.split(",")]
    sides = [side for side in found if side is not None and (side[2] or "." not in side[1])]
    return len(found) in (1, 4) and len(sides) == len(found) and any(float(side[1]) > 0 for side in sides)


def margins_of(text: str, height: int, width: int) -> Margins:
    """Margins round a photo, as `are_margins` accepts them; shares are of its width and of its height, rounded up.

    >>> margins_of("10%", 60, 95)
    Margins(left=10, top=6, right=10, bottom=6)
    """
    sides = text.split(",") if "," in text else [text] * 4
    pixels = [
        math.ceil(float(side.strip("% ")) * length / 100) if side.strip().endswith("%") else int(side)
        for side, length in zip(sides, (width, height, width, height), strict=True)
    ]
    return Margins(*pixels)
