"""PNG files: what Pillow leaves out in reading, and writing of what it cannot write, which is colour of 16 bits.

They are written block by block, which keeps the memory small, as quickly as by Pillow at its quickest level, and a
sixth smaller. The format is the W3C's, third edition.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onar.errors import OnarError, printable
from onar.imaging.formats.exif import without_prefix
from onar.imaging.formats.resolution import whole_numbers
from onar.imaging.levels import Pixels

LEVEL = 3
"""Of zlib's 9. Level 6, Pillow's, takes three times as long and saves 5 %."""
_BLOCK = 1 << 22
"""About how many values are compressed at once."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}
_UP = 2
_MAX_DENSITY = 2**31 - 1
_COLOUR_CHUNKS = (b"cHRM", b"gAMA", b"sRGB", b"cICP", b"mDCV", b"cLLI")
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
_HANDLED_ELSEWHERE = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0")
"""Keywords of texts that hold XMP or EXIF, which have a place of their own."""
_HARMLESS = (
    *(b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"pHYs", b"IEND", *_COLOUR_CHUNKS, *_TEXT_CHUNKS),
    *(b"bKGD", b"hIST", b"sBIT", b"sPLT", b"tIME", b"oFFs", b"vpAg", b"iDOT", b"CgBI", b"acTL", b"fcTL"),
)
"""Chunks that are kept or told of otherwise, and those that say nothing of a photo whose pixels are written anew."""
_XMP = b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0"
SRGB_CODES = 1, 13
"""Primaries and transfer function of sRGB in the numbers of ITU-T H.273."""
_SRGB = {
    b"gAMA": struct.pack(">I", 45455),
    b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
    b"cICP": bytes([*SRGB_CODES, 0, 1]),
}
"""What says in a roundabout way that a picture is sRGB, as all are that say nothing."""


_PROFILE = b"iCCP"
"""There may be one; Pillow would decompress each."""
_SMALL, _MAX_SMALL_CHUNKS = 64, 50_000
"""Bytes of a chunk that holds next to nothing, and how many of them there may be: each takes time, wherever it is."""


class PngError(OnarError):
    """A PNG file that is not decoded; the message is the reason."""


@dataclass(frozen=True)
class PngFacts:
    """What a PNG file says beside its pixels.

    Attributes:
        bits: of a value.
        is_grey: it has no colours.
        transparent: the grey level or the three levels that tRNS makes transparent; None without.
        colour: chunks that say which colours the values mean, whole.
        is_srgb: those are the colours of sRGB, or of a colour profile: what holds no such chunks loses nothing.
        text: chunks of text, whole.
        others: names of further chunks, which nobody here understands, with `?` for what is no letter.
    """

    bits: int
    is_grey: bool
    transparent: tuple[int, ...] | None
    colour: bytes
    is_srgb: bool
    text: bytes
    others: tuple[str, ...]


# ---------------------------------------------------------------- reading


def is_png(start: bytes) -> bool:
    """Whether a file that starts with these eight bytes is a PNG file."""
    return start.startswith(_SIGNATURE)


def read_facts(file: BinaryIO) -> PngFacts:
    """Read what an undamaged PNG file says beside its pixels; raises `struct.error` when it is cut off."""
    file.seek(len(_SIGNATURE))
    chunks = list(_chunks(file))
    header = chunks[0][1]
    named = dict(chunks)
    transparent = named.get(b"tRNS") if header[9] in (0, 2) else None  # of a palette, Pillow knows it
    colour = [chunk for chunk in chunks if chunk[0] in _COLOUR_CHUNKS]
    # cICP wins over a profile, a profile over sRGB, and that over gAMA and cHRM.
    deciding = (b"cICP",) if {b"iCCP", b"sRGB"} & named.keys() else tuple(_SRGB)
    text = [chunk for chunk in chunks if chunk[0] in _TEXT_CHUNKS and not chunk[1].startswith(_HANDLED_ELSEWHERE)]
    return PngFacts(
        bits=header[8],
        is_grey=header[9] in (0, 4),
        transparent=struct.unpack(f">{len(transparent) // 2}H", transparent) if transparent else None,
        colour=b"".join(_chunk(*chunk) for chunk in colour),
        is_srgb=all(named.get(name, _SRGB[name]) == _SRGB[name] for name in deciding),
        text=b"".join(_chunk(*chunk) for chunk in text),
        others=tuple(sorted({printable(name.decode("latin-1")) for name in named if name not in _HARMLESS})),
    )


def mended(file: BinaryIO) -> tuple[BinaryIO, tuple[str, ...]]:
    """A PNG file as other programs read it: without the chunks that are damaged and not needed for its pixels.

    Returns:
        The file itself, or what is left of it; and the names of those chunks.

    Raises:
        PngError: it has more chunks than any program writes.
    """
    file.seek(0)
    content = file.read()
    left_out, seen, small = list[tuple[bytes, int, int]](), set[bytes](), 0
    for chunk in _spans(content):
        name, start, end = chunk
        small += end - start < _SMALL
        if small > _MAX_SMALL_CHUNKS:
            raise PngError(
                f"it has more than {_MAX_SMALL_CHUNKS} chunks that hold next to nothing: save it with another program"
            )
        if not _is_needed(name) and (_is_damaged(content, start, end) or (name == _PROFILE and name in seen)):
            left_out.append(chunk)
        seen.add(name)
    if not left_out:
        return file, ()
    starts, ends = [start for _, start, _ in left_out], [0, *(end for _, _, end in left_out)]
    kept = [content[end:start] for end, start in zip(ends, [*starts, len(content)], strict=True)]
    return io.BytesIO(b"".join(kept)), tuple(sorted({name.decode() for name, _, _ in left_out}))


def _spans(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The chunks by name, each with its beginning and its end, which may be behind that of a file that is cut off."""
    at, name = len(_SIGNATURE), b""
    while at + 8 <= len(content) and name != b"IEND":
        length, name = struct.unpack_from(">I4s", content, at)
        if not name.isalpha():
            return
        yield name, at, at + 12 + length
        at += 12 + length


def _is_needed(name: bytes) -> bool:
    """Whether a picture cannot be read without a chunk of that name: they begin with a capital letter."""
    return name[:1].isupper()


def _is_damaged(content: bytes, start: int, end: int) -> bool:
    """Whether a chunk is cut off, or not what was written."""
    return end > len(content) or _checksum(content[start + 4 : end - 4]) != content[end - 4 : end]


def _checksum(content: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(content))


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents, but of the pixels."""
    while len(start := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", start)
        if name in (b"IDAT", b"fdAT"):
            file.seek(length, io.SEEK_CUR)
        else:
            yield name, file.read(min(length, 1 << 31))
        file.seek(4, io.SEEK_CUR)
        if name == b"IEND":
            return


# ---------------------------------------------------------------- writing


def write_png(
    file: BinaryIO,
    pixels: Pixels,
    *,
    exif: bytes = b"",
    icc_profile: bytes = b"",
    dpi: tuple[float, float] | None = None,
    aspect: tuple[float, float] | None = None,
    xmp: bytes = b"",
    colour: bytes = b"",
    text: bytes = b"",
) -> None:
    """Write a PNG file.

    Args:
        file: open for writing.
        pixels: uint8 or uint16, H×W or H×W×C: grey, grey and alpha, RGB, or RGB and alpha.
        exif: EXIF block.
        icc_profile: colour profile.
        dpi: pixels per inch across and down.
        aspect: how dense pixels are across and down, in no unit; without `dpi` only.
        xmp: XMP packet.
        colour: whole chunks, as in `PngFacts`.
        text: whole chunks, as in `PngFacts`.
    """
    height, width, channels = np.atleast_3d(pixels).shape
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, _COLOURS[channels], 0, 0, 0)
    held = {"exif": without_prefix(exif), "icc_profile": icc_profile, "dpi": dpi}
    file.write(_SIGNATURE + _chunk(b"IHDR", header) + colour)
    file.write(_chunks_by_pillow({name: value for name, value in held.items() if value}))
    if aspect and not dpi:
        file.write(_chunk(b"pHYs", struct.pack(">IIB", *whole_numbers(aspect, _MAX_DENSITY), 0)))
    file.write((_chunk(_XMP[0], _XMP[1] + xmp) if xmp else b"") + text)
    compressor = zlib.compressobj(LEVEL)
    above = np.zeros((1, width * channels * pixels.itemsize), np.uint8)
    for block in _blocks(pixels):
        lines = _as_bytes(block)
        filtered = np.empty((len(lines), lines.shape[1] + 1), np.uint8)
        filtered[:, 0] = _UP
        np.subtract(lines[:1], above, out=filtered[:1, 1:])
        np.subtract(lines[1:], lines[:-1], out=filtered[1:, 1:])
        above = lines[-1:]
        file.write(_chunk(b"IDAT", compressor.compress(filtered.data)))
    file.write(_chunk(b"IDAT", compressor.flush()) + _chunk(b"IEND", b""))


def colour_codes(primaries: int, transfer: int) -> bytes:
    """The chunk cICP, which says in the numbers of ITU-T H.273 which colours RGB values mean."""
    return _chunk(b"cICP", bytes([primaries, transfer, 0, 1]))


def _blocks(pixels: Pixels) -> Iterator[Pixels]:
    rows = max(1, _BLOCK * len(pixels) // pixels.size)
    for top in range(0, len(pixels), rows):
        yield pixels[top : top + rows]


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + _checksum(name + content)


def _chunks_by_pillow(metadata: dict[str, Any]) -> bytes:
    """The chunks between header and pixels, taken from a PNG of one pixel that Pillow writes."""
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, "PNG", **metadata)
    content = buffer.getvalue()
    return content[content.index(b"IHDR") + 4 + 13 + 4 : content.rindex(b"IDAT") - 4]


def _as_bytes(block: Pixels) -> NDArray[np.uint8]:
    """Rows of bytes, values of 16 bits with the high byte first."""
    return np.ascontiguousarray(block, block.dtype.newbyteorder(">")).reshape(len(block), -1).view(np.uint8)
