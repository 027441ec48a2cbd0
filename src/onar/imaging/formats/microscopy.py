"""What programs for microscopes write into a TIFF file about all its pictures, and which a result of one would belie.

ImageJ, OME and tifffile keep the number and the type of the pictures in the description. A program that believes it
looks for pixels that are not there, or shows them in a range that is no longer theirs.
"""

from __future__ import annotations

from onar.imaging.formats.exif import Value

_DESCRIPTION = 270
_OF_ALL_PICTURES = (
    *(33628, 33629, 33630, 33631),  # MetaMorph
    *(33560, 33471, 34361, 34362),  # Olympus
    *(34412, 43314, 50838, 50839, 51123),  # Zeiss, NIH Image, ImageJ twice, Micro-Manager
    *range(65420, 65460),  # Hamamatsu
)
_IMAGEJ = b"ImageJ="
_STACK = (b"images", b"channels", b"slices", b"frames", b"hyperstack", b"mode", b"loop")
_RANGE = (b"min", b"max")
_OME = b"www.openmicroscopy.org/Schemas/OME"
_SHAPED = (b'{"shape":', b"shape=")


def is_lost(values: dict[int, Value]) -> bool:
    """Whether `of_one_picture` leaves out more of such tags than the number of pictures and their range."""
    return any(tag in values for tag in _OF_ALL_PICTURES) or _OME in _text(values)


def _text(values: dict[int, Value]) -> bytes:
    return values[_DESCRIPTION].content if _DESCRIPTION in values else b""


def of_one_picture(values: dict[int, Value], numbers_kept: bool) -> dict[int, Value]:
    """The tags of a TIFF file as those of a file with one picture may be.

    Args:
        values: by their tags.
        numbers_kept: the pixels are still the numbers that the file holds.
    """
    kept = {tag: value for tag, value in values.items() if tag not in _OF_ALL_PICTURES}
    text = _text(values)
    if text.startswith(_IMAGEJ):
        left_out = _STACK if numbers_kept else (*_STACK, *_RANGE)
        lines = [line for line in text.rstrip(b"\0").split(b"\n") if line.partition(b"=")[0] not in left_out]
        content = b"\n".join(lines) + b"\0"
        kept[_DESCRIPTION] = Value(kept[_DESCRIPTION].type, len(content), content)
    elif _OME in text or text.startswith(_SHAPED):
        del kept[_DESCRIPTION]
    return kept
