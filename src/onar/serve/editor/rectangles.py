"""Rectangles of a photo stacked vertically in one picture, a sheet, each at the left edge.

A hole of distant parts then costs the area of the parts, not that of their common bounding box.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, WithJsonSchema

from onar.errors import UsageError

Slices = tuple[slice, slice]


class Rectangle(NamedTuple):
    """A part of an upright photo in pixels, from its left and top edges.

    Width and height are None where they are those of the sheet.
    """

    left: int
    top: int
    width: int | None = None
    height: int | None = None


_CORNER = r"\d{1,9},\d{1,9}"
_RECTANGLE = rf"{_CORNER},\d{{1,9}},\d{{1,9}}"
_RECTANGLES = rf"{_RECTANGLE}(;{_RECTANGLE})*"
_PLACES = rf"{_CORNER}|{_RECTANGLES}"


def _reader(pattern: str, problem: str) -> Callable[[object], object]:
    """A validator that reads the text of a form as rectangles."""

    def read(text: object) -> object:
        if not isinstance(text, str):
            return text
        if not re.fullmatch(pattern, text):
            raise ValueError(problem)
        return tuple(Rectangle(*map(int, place.split(","))) for place in text.split(";"))

    return read


SheetCorners = Annotated[
    tuple[Rectangle, ...],
    BeforeValidator(_reader(_PLACES, "not LEFT,TOP of 0 or more, or LEFT,TOP,WIDTH,HEIGHT with ; between several")),
    WithJsonSchema({"type": "string", "pattern": rf"^({_PLACES})$", "examples": ["120,48"]}),
]
"""Positions of the rectangles of a sheet; in a form LEFT,TOP for a single one, otherwise LEFT,TOP,WIDTH,HEIGHT;…"""

Rectangles = Annotated[
    tuple[Rectangle, ...],
    BeforeValidator(_reader(_RECTANGLES, "not LEFT,TOP,WIDTH,HEIGHT with ; between several")),
    WithJsonSchema({"type": "string", "pattern": rf"^{_RECTANGLES}$", "examples": ["120,48,640,480"]}),
]
"""Parts of a photo; in a form, LEFT,TOP,WIDTH,HEIGHT separated by ;."""


def placed(places: SheetCorners, sheet: tuple[int, ...], photo: tuple[int, ...]) -> Iterator[tuple[Slices, Slices]]:
    """Rows and columns of each rectangle, on the photo and on the sheet, whose shapes are H×W×….

    Raises `UsageError` if the rectangles do not fill the sheet, or not all lie on the photo.

    >>> list(placed((Rectangle(3, 5, 2, 4),), sheet=(4, 2), photo=(20, 30)))
    [((slice(5, 9, None), slice(3, 5, None)), (slice(0, 4, None), slice(0, 2, None)))]
    """
    row = 0
    for left, top, width, height in places:
        wide, tall = (sheet[1] if width is None else width), (sheet[0] if height is None else height)
        if wide > sheet[1] or row + tall > sheet[0]:
            raise UsageError(f"a picture of {sheet[1]} x {sheet[0]} pixels does not hold all of its rectangles")
        yield on_photo(Rectangle(left, top, wide, tall), photo), (slice(row, row + tall), slice(0, wide))
        row += tall
    if row != sheet[0]:
        raise UsageError(f"a picture of {sheet[0]} rows has rectangles of {row} rows")


def on_photo(rectangle: Rectangle, photo: tuple[int, ...]) -> Slices:
    """Rows and columns of a rectangle of a photo; raises `UsageError` when it is empty or lies outside."""
    left, top, width, height = rectangle
    if not width or not height:
        raise UsageError("a rectangle has no pixels: its width or its height is 0")
    if top + height > photo[0] or left + width > photo[1]:
        raise UsageError(
            f"{width} x {height} pixels at {left},{top} are not all on the photo of {photo[1]} x {photo[0]}"
        )
    return slice(top, top + height), slice(left, left + width)
