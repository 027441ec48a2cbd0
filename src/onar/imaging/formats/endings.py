"""Supported picture formats, by file ending."""

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
"""Writable formats, by their Pillow names: lower-case ending -> format."""

_READ_ONLY = {".gif": "GIF", ".avif": "AVIF", ".heic": "HEIF", ".heif": "HEIF", ".hif": "HEIF"}
_DECODERS = {"AVIF": "PIL._avif", "HEIF": "pillow_heif"}
"""Modules of decoders that not every Pillow includes."""
_DECODER_ADVICE = {"AVIF": "pip install --upgrade pillow", "HEIF": 'pip install "onar[heic]"'}

READABLE = FORMATS | {
    ending: kind for ending, kind in _READ_ONLY.items() if kind not in _DECODERS or find_spec(_DECODERS[kind])
}
"""Readable formats: lower-case ending -> format."""

RAW = frozenset(
    (
        *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef", ".mos"),
        *(".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
    )
)
"""Lower-case endings of camera raw files."""
RAW_ADVICE = "export TIFF, PNG or JPEG from a raw converter"

MAX_SIDE = {"JPEG": 65_500, "WEBP": 16_383}
"""Maximum height and width in pixels, by format. The JPEG standard allows 65,535; this is the limit of libjpeg."""

NOT_READABLE_HERE = {ending: _DECODER_ADVICE[kind] for ending, kind in _READ_ONLY.items() if ending not in READABLE}
"""Installation command for endings whose decoder is missing."""


_BRANDS = {
    "AVIF": (b"avif", b"avis"),
    "HEIF": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
}
"""Brands of files in the ISO base media format (ISO/IEC 23008-12, annex B; AVIF, section 8)."""


def missing_decoder(start: bytes) -> str:
    r"""The kind of a file that only another decoder reads, by its first bytes, and how to install it; else empty.

    >>> missing_decoder(b"\xff\xd8\xff\xe0")
    ''
    """
    length = min(int.from_bytes(start[:4], "big"), len(start)) if start[4:8] == b"ftyp" else 0
    brands = {start[at : at + 4] for at in (8, *range(16, length, 4))} if length else set()
    kind = next((kind for kind, known in _BRANDS.items() if brands.intersection(known)), "")
    if not kind or kind in READABLE.values():
        return ""
    return f"{'HEIC' if kind == 'HEIF' else kind}, which needs {_DECODER_ADVICE[kind]}"


def ending_of(file: str) -> str:
    """The lower-case ending of a file name with its dot; empty if there is none.

    >>> ending_of("folder/Photo.JPG")
    '.jpg'
    """
    return os.path.splitext(file)[1].lower()
