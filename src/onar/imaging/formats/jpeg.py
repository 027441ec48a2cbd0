"""JPEG files, marker by marker: checks before decoding, and a missing end (ITU-T T.81, annex B)."""

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
"""Encoders write about 10; libtiff has the same limit. Each scan costs a pass over all pixels, even an empty one."""
_MAX_SEGMENTS = 10_000
"""Of up to 64 kB each; a large colour profile has some dozens."""

_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])")
"""Markers other than stuffing and restarts."""
_RESTART = re.compile(rb"\xff([\xd0-\xd7])")
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_END, SCAN, _APP1 = 0xD9, 0xDA, 0xE1
_PADDING = b"\0\xff\r\n"
_DENSITY_AT, _MAX_DENSITY = 13, 65_535
_COEFFICIENTS = 64
_NO_BITS = 14
"""Successive approximation of a coefficient without any bits so far."""


class JpegError(OnarError):
    """A JPEG file that is refused; the message is the reason."""


@dataclass(frozen=True)
class Markers:
    """The markers of the first picture in a JPEG file.

    Attributes:
        frame: marker and content of the frame header; None if there is none.
        scans: content of each scan header.
        exif: EXIF block, joined.
        last_scan: offset of the data of the last scan.
        end: offset after the end marker; None if it is missing.
    """

    frame: tuple[int, bytes] | None
    scans: tuple[bytes, ...]
    exif: bytes
    last_scan: int
    end: int | None


def is_jpeg(start: bytes) -> bool:
    r"""Whether a file starts as a JPEG file does; three bytes are enough.

    >>> is_jpeg(b"\xff\xd8\xff\xe0")
    True
    """
    return start[:3] == b"\xff\xd8\xff"


def read_markers(content: bytes) -> Markers:
    """Read the markers of a file; raises `JpegError` if it has too many scans or segments."""
    frame, scans, exif, last_scan = None, list[bytes](), bytearray(), 0
    for number, (marker, start, end) in enumerate(segments(content)):
        if marker == _END:
            return Markers(frame, tuple(scans), bytes(exif), last_scan, start)
        body = content[start + 2 : end]
        if marker in _FRAMES and frame is None:
            frame = marker, body
        elif marker == SCAN:
            scans.append(body)
            last_scan = end
        elif marker == _APP1 and body.startswith(exif_block.PREFIX):
            exif += exif_block.without_prefix(body)
        if len(scans) > MAX_SCANS:
            raise JpegError(f"it has over {MAX_SCANS} scans: save it with another program")
        if number > _MAX_SEGMENTS:
            raise JpegError(f"it has over {_MAX_SEGMENTS} segments: save it with another program")
    return Markers(frame, tuple(scans), bytes(exif), last_scan, None)


def segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Each marker with the offset after it and the end of its segment."""
    at = 2
    while found := _MARKER.search(content, at):
        start = found.end()
        at = start + int.from_bytes(content[start : start + 2])
        yield found[1][0], start, at


def check_before_decoding(content: bytes) -> Markers:
    """The markers of a file; raises `OnarError` if decoding would take too long or too much memory."""
    markers = read_markers(content)
    exif_block.check_values(io.BytesIO(markers.exif))
    return markers


def appended(file: BinaryIO) -> int:
    """Number of bytes after the picture, such as the video of a phone; 0 for padding."""
    file.seek(0)
    content = file.read()
    end = read_markers(content).end
    rest = b"" if end is None else content[end:]
    return len(rest) if rest.strip(_PADDING) else 0


# ---------------------------------------------------------------- a missing end


def with_end(content: bytes, markers: Markers) -> bytes | None:
    """Append the missing end marker; None if pixels are missing, too.

    Decoders replace missing data silently. So the file is decoded twice, with opposite bits appended: if any of them
    is decoded as a pixel, the results differ.
    """
    if markers.end is not None or not _is_whole(markers):
        return None
    restarts = _RESTART.findall(content, markers.last_scan)
    restart = bytes([0xFF, 0xD0 + (restarts[-1][0] + 1) % 8 if restarts else 0xD0])
    bits = np.random.default_rng(0).integers(1, 255, 64, np.uint8)  # FF would be a marker
    content = content.removesuffix(b"\xff")
    first, second = (
        _pixels(content + tail.tobytes() + restart + tail.tobytes() + b"\xff\xd9") for tail in (bits, ~bits)
    )
    return content + b"\xff\xd9" if np.array_equal(first, second) else None


def _pixels(content: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
        return np.asarray(image)


def _is_whole(markers: Markers) -> bool:
    """Whether the scans cover every bit of every coefficient."""
    if markers.frame is None:
        return False
    marker, frame = markers.frame
    missing = {component: [_NO_BITS] * _COEFFICIENTS for component in frame[6::3]}
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
    """Write the pixel aspect ratio into a JPEG file: Pillow writes pixels per inch only.

    It needs a JFIF segment, which files with RGB values do not have.
    """
    file.seek(0)
    start = file.read(_DENSITY_AT)
    if start[2:4] == b"\xff\xe0" and start[6:11] == b"JFIF\0":
        file.write(struct.pack(">BHH", 0, *whole_numbers(aspect, _MAX_DENSITY)))
    file.seek(0, io.SEEK_END)
