"""Raw files of cameras, told from photos: their pixels are not developed, and the picture in them is a preview."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import UnidentifiedImageError

from onar.imaging.formats.endings import RAW, ending_of

if TYPE_CHECKING:
    from tifffile import TiffPage

_DNG_VERSION = 50706
_UNDEVELOPED = (32803, 34892)
"""Of PhotometricInterpretation: one colour per pixel as the sensor has it, and DNG's LinearRaw."""
_STARTS = (b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FOVb", b"\0MRM")
_BRAND = b"ftypcrx "
_CANON, _PHASE_ONE = b"CR", b"IIII"
"""What stands after the first eight bytes of two kinds that are TIFF files otherwise."""
_MAX_INNER = 10
START = 16
"""Bytes from which such files are told."""


class RawFileError(UnidentifiedImageError):
    """A raw file of a camera; the message says which kind."""


def refuse_raw(name: str, start: bytes, page: TiffPage | None) -> None:
    """Raise `RawFileError` for a raw file.

    Args:
        name: of the file. A JPEG with the ending of a raw file is a JPEG nevertheless.
        start: its first `START` bytes.
        page: its first picture, if it is a TIFF file.
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
    """Whether a picture, or one below it in the file, is as the sensor has it."""
    pages, count = page.pages, min(_MAX_INNER, len(page.subifds or ()))
    inner = [pages.get(at) for at in range(count)] if pages else []
    return any(getattr(one, "photometric", None) in _UNDEVELOPED for one in (page, *inner))
