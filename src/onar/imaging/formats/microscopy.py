"""TIFF tags of microscopy software about all pictures of a file, which are wrong for a result of one picture.

ImageJ, OME and tifffile store number and type of the pictures in the description. With these, a program would look
for missing pixels, or display the wrong value range.
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
    """Whether `of_one_picture` drops more than the number of pictures and their value range."""
    return any(tag in values for tag in _OF_ALL_PICTURES) or _OME in _text(values)


def _text(values: dict[int, Value]) -> bytes:
    return values[_DESCRIPTION].content if _DESCRIPTION in values else b""


def of_one_picture(values: dict[int, Value], numbers_kept: bool) -> dict[int, Value]:
    """Adapt the tags of a TIFF file to a file with one picture; `numbers_kept`: the pixel values are unchanged."""
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
