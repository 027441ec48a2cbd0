"""JPEG files, marker by marker: what a decoder does not look at before it starts (ITU-T T.81, annex B)."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onar.errors import OnarError
from onar.imaging.formats import exif as exif_block
from onar.imaging.formats.resolution import Density, whole_numbers

MAX_SCANS = 100
"""Encoders write about 10, and libtiff draws the line here, too. Each passes over all pixels, even an empty one."""
_MAX_SEGMENTS = 10_000
"""Of up to 64 kB each; a large colour profile takes some dozens."""

_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])")
"""Those that are neither stuffing nor restarts."""
_RESTART = re.compile(rb"\xff([\xd0-\xd7])")
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_END, _SCAN, _APP1 = 0xD9, 0xDA, 0xE1
_PADDING = b"\0\xff\r\n"
_DENSITY_AT, _MAX_DENSITY = 13, 65_535
_COEFFICIENTS = 64
_NO_BIT_YET = 14


class JpegError(OnarError):
    """A JPEG file that is not decoded; the message is the reason."""


@dataclass(frozen=True)
class Markers:
    """What the markers of the first picture in a JPEG file say.

    Attributes:
        frame: its marker, and what follows its length; None when there is none.
        scans: what the header of each scan says.
        exif: its EXIF, put together.
        last_scan: where the data of the last scan begin.
        end: where the picture ends; None when the file does so before.
    """

    frame: tuple[int, bytes] | None
    scans: tuple[bytes, ...]
    exif: bytes
    last_scan: int
    end: int | None


def is_jpeg(start: bytes) -> bool:
    """Whether a file that starts with these three bytes is a JPEG file."""
    return start[:3] == b"\xff\xd8\xff"


def read_markers(content: bytes) -> Markers:
    """Walk over the markers of a file.

    Raises:
        JpegError: it has more scans, or segments, than any program writes.
    """
    frame, scans, exif, last_scan = None, list[bytes](), bytearray(), 0
    for number, (marker, start, end) in enumerate(_segments(content)):
        if marker == _END:
            return Markers(frame, tuple(scans), bytes(exif), last_scan, start)
        body = content[start + 2 : end]
        if marker in _FRAMES and frame is None:
            frame = marker, body
        elif marker == _SCAN:
            scans.append(body)
            last_scan = end
        elif marker == _APP1 and body.startswith(exif_block.PREFIX):
            exif += exif_block.without_prefix(body)
        if len(scans) > MAX_SCANS:
            raise JpegError(f"it has over {MAX_SCANS} scans, more than any program writes: save it with another one")
        if number > _MAX_SEGMENTS:
            raise JpegError(
                f"it has over {_MAX_SEGMENTS} segments, more than any program writes: save it with another one"
            )
    return Markers(frame, tuple(scans), bytes(exif), last_scan, None)


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Each marker with the place after it and the end of its segment."""
    at = 2
    while found := _MARKER.search(content, at):
        start = found.end()
        at = start + int.from_bytes(content[start : start + 2])
        yield found[1][0], start, at


def check_before_decoding(content: bytes) -> Markers:
    """The markers of a file that a decoder can be given; raises `OnarError` when it would take too long with it."""
    markers = read_markers(content)
    exif_block.check_values(io.BytesIO(markers.exif))
    return markers


def appended(content: bytes) -> int:
    """How many bytes follow the picture in its file, such as the video of a phone; 0 when they say nothing."""
    end = read_markers(content).end
    rest = b"" if end is None else content[end:]
    return len(rest) if rest.strip(_PADDING) else 0


# ---------------------------------------------------------------- without its end


def with_end(content: bytes, markers: Markers) -> bytes | None:
    """A file that lacks its end marker, with one; None when it lacks pixels, too.

    Decoders make something of missing data without a word. So it is decoded twice, with bits behind it that are
    opposite to each other: where any of them becomes a part of the picture, the two differ.
    """
    if markers.end is not None or not _is_whole(markers):
        return None
    restarts = _RESTART.findall(content, markers.last_scan)
    restart = bytes([0xFF, 0xD0 + (restarts[-1][0] + 1) % 8 if restarts else 0xD0])
    bits = np.random.default_rng(0).integers(1, 255, 64, np.uint8)  # without FF, which would be a marker
    content = content.removesuffix(b"\xff")
    first, second = (
        _pixels(content + tail.tobytes() + restart + tail.tobytes() + b"\xff\xd9") for tail in (bits, ~bits)
    )
    return content + b"\xff\xd9" if np.array_equal(first, second) else None


def _pixels(content: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
        return np.asarray(image)


def _is_whole(markers: Markers) -> bool:
    """Whether the scans that have begun hold every bit of every coefficient."""
    if markers.frame is None:
        return False
    marker, frame = markers.frame
    missing = {component: [_NO_BIT_YET] * _COEFFICIENTS for component in frame[6::3]}
    for scan in markers.scans:
        count = scan[0] if scan else 0
        if len(scan) < 4 + 2 * count:
            return False
        first, last, bits = scan[1 + 2 * count : 4 + 2 * count]
        if marker not in _PROGRESSIVE:
            first, last, bits = 0, _COEFFICIENTS - 1, 0
        for component in scan[1 : 1 + 2 * count : 2]:
            if component in missing:
                span = range(first, min(last + 1, _COEFFICIENTS))
                missing[component][first : last + 1] = [bits & 15 for _ in span]
    return bool(missing) and not any(map(any, missing.values()))


# ---------------------------------------------------------------- resolution


def set_aspect(file: BinaryIO, aspect: Density) -> None:
    """Say in a JPEG file how dense its pixels are in no unit: Pillow writes pixels per inch only.

    Without a JFIF segment, as in files that hold RGB, there is no place for it.
    """
    file.seek(0)
    start = file.read(_DENSITY_AT)
    if start[2:4] == b"\xff\xe0" and start[6:11] == b"JFIF\0":
        file.write(struct.pack(">BHH", 0, *whole_numbers(aspect, _MAX_DENSITY)))
    file.seek(0, io.SEEK_END)
