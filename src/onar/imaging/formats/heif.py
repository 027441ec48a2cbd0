"""Data of HEIC and AVIF files that decoders drop, read from their boxes (ISO/IEC 14496-12 and 23008-12)."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from typing import BinaryIO

from onar.errors import OnarError
from onar.imaging.formats.exif import check_values
from onar.imaging.formats.png import SRGB_CODES, colour_codes

_MAX_META_BYTES = 1 << 24
"""Bytes to search; a few thousand are usual."""
_DEEP = {b"av1C": (2, 0x40), b"hvcC": (17, 0x07)}
"""For the records of the two codecs: the byte, and the bits that are not 0 if values have more than 8 bits."""
_COLOUR_CODES = re.compile(rb"colrnclx(.{4})", re.DOTALL)
_PROFILES = (b"colrprof", b"colrrICC")
_AUXILIARY = re.compile(rb"auxC\0\0\0\0(urn:[^\0]+)")
_ALPHA = (b":alpha", b":auxid:1")
_UNSPECIFIED = 2
_EXIF = re.compile(rb"II\*\0|MM\0\*")
_MAX_EXIF_BLOCKS = 1000


@dataclass(frozen=True)
class HeifFacts:
    """Data of a file beside the decoded pixels.

    Attributes:
        is_deep: its values have more than 8 bits.
        colour: PNG chunk of the colour space; empty if a profile defines it, or nothing.
        holds_others: it also holds a depth map, a gain map, or the like.
    """

    is_deep: bool
    colour: bytes
    holds_others: bool


def check_before_decoding(file: BinaryIO) -> None:
    """Raise `OnarError` for EXIF that would exhaust the memory: decoders read it when they open a file.

    All places that look like EXIF are checked; those that do by chance pass.
    """
    file.seek(0)
    for number, found in enumerate(_EXIF.finditer(file.read())):
        if number == _MAX_EXIF_BLOCKS:
            raise OnarError(f"it has over {_MAX_EXIF_BLOCKS} blocks of EXIF: save it with another program")
        check_values(file, found.start())


def read_facts(file: BinaryIO) -> HeifFacts:
    """Read the data of a HEIC or AVIF file beside its pixels."""
    meta = _meta(file)
    deep = [
        meta[found.end() :][byte] & bits for name, (byte, bits) in _DEEP.items() for found in re.finditer(name, meta)
    ]
    kinds = _AUXILIARY.findall(meta)
    return HeifFacts(
        is_deep=any(deep),
        colour=_colour(meta),
        holds_others=b"tmap" in meta or not all(kind.endswith(_ALPHA) for kind in kinds),
    )


def _colour(meta: bytes) -> bytes:
    """The colour space as a PNG chunk; empty if ambiguous, because a gain map may have its own codes."""
    codes = set(_COLOUR_CODES.findall(meta))
    if len(codes) != 1 or any(profile in meta for profile in _PROFILES):
        return b""
    primaries, transfer = struct.unpack(">HH", codes.pop())
    if _UNSPECIFIED in (primaries, transfer) or max(primaries, transfer) > 255 or (primaries, transfer) == SRGB_CODES:
        return b""
    return colour_codes(primaries, transfer)


def _meta(file: BinaryIO) -> bytes:
    """The `meta` box, which describes the pictures; empty if there is none."""
    end, at = file.seek(0, io.SEEK_END), 0
    while at + 16 <= end:
        file.seek(at)
        size, name, long_size = struct.unpack(">I4sQ", file.read(16))
        length = long_size if size == 1 else size or end - at
        if name == b"meta":
            file.seek(at)
            return file.read(min(length, _MAX_META_BYTES))
        at += max(length, 8)
    return b""
