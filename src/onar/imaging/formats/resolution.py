"""Pixel density of a photo: pixels per inch, or the pixel aspect ratio only."""

from __future__ import annotations

import io
import math
import struct
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image

from onar.imaging.formats import exif as exif_block

if TYPE_CHECKING:
    from tifffile import TiffPage

Density = tuple[float, float]
"""Horizontal and vertical."""

_MAX_DPI = 65_535
_NO_UNIT, _INCH, _CENTIMETRE = 1, 2, 3
"""In TIFF and EXIF. JFIF counts from 0."""
_INCHES = {_INCH: 1.0, _CENTIMETRE: 2.54}
_RATIONAL = (5, 10)


class Resolution(NamedTuple):
    """The resolution stored in a file, if any.

    Attributes:
        dpi: pixels per inch.
        aspect: pixels per unknown unit, if `dpi` is None; equal values mean square pixels.
    """

    dpi: Density | None = None
    aspect: Density | None = None


def of_picture(image: Image.Image, exif: bytes) -> Resolution:
    """The resolution of a Pillow picture with its EXIF block; for TIFF files, `of_tiff` is more precise."""
    if exif_block.X_RESOLUTION not in getattr(image, "tag_v2", (exif_block.X_RESOLUTION,)):
        return Resolution()  # Pillow's default is 1
    if image.format not in ("JPEG", "MPO"):
        return _resolution(image.info.get("dpi"), image.info.get("aspect"))
    if image.info.get("jfif_unit") in (1, 2):  # otherwise Pillow invents a value
        return _resolution(image.info.get("dpi"))
    in_exif = _of_exif(exif)
    aspects = (image.info.get("jfif_density"), in_exif.aspect)
    said = [aspect for aspect in aspects if aspect and aspect != (1, 1)]  # JFIF's default
    return Resolution(in_exif.dpi) if in_exif.dpi else _resolution(None, *said[:1])


def of_tiff(page: TiffPage, values: dict[int, exif_block.Value]) -> Resolution:
    """The resolution of a picture in a TIFF file with these tags."""
    if not {exif_block.X_RESOLUTION, exif_block.Y_RESOLUTION} <= values.keys():
        return Resolution()
    unit = page.tags.valueof(exif_block.RESOLUTION_UNIT)
    if unit in (None, _INCH, _CENTIMETRE):
        return _resolution(page.get_resolution("inch"))
    return _resolution(None, page.get_resolution()) if unit == _NO_UNIT else Resolution()


def _of_exif(block: bytes) -> Resolution:
    try:
        order, directory = exif_block.read_first_directory(io.BytesIO(block))
        across, down = (_ratio(directory.values[tag], order) for tag in exif_block.RESOLUTION[:2])
        unit = directory.values.get(exif_block.RESOLUTION_UNIT)
        number = _INCH if unit is None else struct.unpack_from(f"{order}H", unit.content)[0]
    except (ValueError, KeyError, struct.error, ZeroDivisionError):
        return Resolution()
    if number in _INCHES:
        return _resolution((across * _INCHES[number], down * _INCHES[number]))
    return _resolution(None, (across, down))


def _ratio(value: exif_block.Value, order: str) -> float:
    if value.type not in _RATIONAL:
        raise ValueError("no fraction")
    over, under = struct.unpack_from(f"{order}II", value.content)
    return float(over / under)


def _resolution(dpi: Any, aspect: Any = None) -> Resolution:
    per_inch = _density(dpi, _MAX_DPI)
    return Resolution(per_inch, None if per_inch else _density(aspect, math.inf))


def _density(density: Any, most: float) -> Density | None:
    try:
        across, down = (float(value) for value in density)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 0 < across < most and 0 < down < most else None


def whole_numbers(aspect: Density, most: int) -> tuple[int, int]:
    """The aspect ratio as two integers from 1 to `most`.

    >>> whole_numbers((2.0, 1.0), 255)
    (2, 1)
    >>> whole_numbers((0.5, 1.5), 255)
    (1, 3)
    """
    if all(value.is_integer() and value <= most for value in aspect):
        return int(aspect[0]), int(aspect[1])
    small = Fraction(min(aspect) / max(aspect)).limit_denominator(most)
    pair = (small.numerator, small.denominator) if small else (1, most)
    return pair if aspect[0] < aspect[1] else pair[::-1]
