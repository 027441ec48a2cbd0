"""Which picture files are read and written here, told by their endings."""

from __future__ import annotations

import os
from importlib.util import find_spec

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
"""Format of each file that can be written, as Pillow names it, by its ending in lower case."""

_READ_ONLY = {".gif": "GIF", ".avif": "AVIF", ".heic": "HEIF", ".heif": "HEIF", ".hif": "HEIF"}
_DECODERS = {"AVIF": "PIL._avif", "HEIF": "pillow_heif"}
"""Modules that decode what not every Pillow does."""
_DECODER_ADVICE = {"AVIF": "pip install --upgrade pillow", "HEIF": 'pip install "onar[heic]"'}

READABLE = FORMATS | {
    ending: kind for ending, kind in _READ_ONLY.items() if kind not in _DECODERS or find_spec(_DECODERS[kind])
}
"""Format of each file that can be read, by its ending in lower case."""

RAW = frozenset(
    (
        *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef", ".mos"),
        *(".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
    )
)
"""Endings of the raw files of cameras, in lower case."""
RAW_ADVICE = "export TIFF, PNG or JPEG from a raw converter"

MAX_SIDE = {"JPEG": 65_500, "WEBP": 16_383}
"""Of the formats that are written, those with a limit that photos reach. JPEG's own is 65,535, but libjpeg has this."""

NOT_READABLE_HERE = {ending: _DECODER_ADVICE[kind] for ending, kind in _READ_ONLY.items() if ending not in READABLE}
"""What to install for the endings whose decoder is missing."""


def ending_of(file: str) -> str:
    """The ending of a name in lower case, with its dot; empty when there is none."""
    return os.path.splitext(file)[1].lower()
