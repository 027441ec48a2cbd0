"""Recognise camera raw files: their pixels are undeveloped, and the picture in them is a preview."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import UnidentifiedImageError

from onar.imaging.formats.endings import RAW, ending_of

if TYPE_CHECKING:
    from tifffile import TiffPage

_DNG_VERSION = 50706
_UNDEVELOPED = (32803, 34892)
"""Values of PhotometricInterpretation: colour filter array, and DNG's LinearRaw."""
_STARTS = (b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FOVb", b"\0MRM")
_BRAND = b"ftypcrx "
_CANON, _PHASE_ONE = b"CR", b"IIII"
"""After the first eight bytes, in two formats based on TIFF."""
_MAX_INNER = 10
START = 16
"""Bytes needed to recognise such files."""


class RawFileError(UnidentifiedImageError):
    """A camera raw file; the message is its format."""


def refuse_raw(name: str, start: bytes, page: TiffPage | None) -> None:
    """Raise `RawFileError` for a raw file, by its first `START` bytes, and the first picture of a TIFF file.

    A JPEG whose name has the ending of a raw file is still a JPEG.
    """
    if start.startswith(_STARTS) or start[4:12] == _BRAND:
        raise RawFileError(_kind(name))
    if page is None:
        return
    if _DNG_VERSION in page.tags:
        raise RawFileError("DNG")
    if ending_of(name) in RAW or start[8:].startswith((_CANON, _PHASE_ONE)) or _holds_undeveloped(page):
        raise RawFileError(_kind(name))


def _kind(name: str) -> str:
    ending = ending_of(name)
    return ending[1:].upper() if ending in RAW else ""


def _holds_undeveloped(page: TiffPage) -> bool:
    """Whether a picture, or one of its SubIFDs, holds undeveloped sensor data."""
    pages, count = page.pages, min(_MAX_INNER, len(page.subifds or ()))
    inner = [pages.get(at) for at in range(count)] if pages else []
    return any(getattr(one, "photometric", None) in _UNDEVELOPED for one in (page, *inner))
