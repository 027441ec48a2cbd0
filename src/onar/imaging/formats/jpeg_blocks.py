"""JPEG files in which some pixels change: only their blocks of coefficients are compressed again (ITU-T T.81, annex A).

All other blocks keep their coefficients bit for bit, and so does the rest of the coding: tables, subsampling,
progressive scans, restart intervals.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.imaging.formats.jpeg import SCAN, read_markers, segments

_BLOCK = 8
_GREY, _RGB, _YCBCR = 1, 2, 3
"""Colour spaces of libjpeg."""
_COMPONENTS = {
    _GREY: np.array([[1.0]]),
    _RGB: np.eye(3),
    _YCBCR: np.array(
        [[0.299, 0.587, 0.114], [-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]]  # JFIF 1.02
    ),
}
"""Colour space -> matrix from the channels of a pixel to the components."""
_MAX_COEFFICIENT = 1023
"""Of 8-bit baseline JPEG, for all frequencies but the mean, which may be -1024."""
_BLOCKS_AT_ONCE = 4096
_DC_CODES = frozenset(range(12))
"""Of 8-bit JPEG (T.81, F.1.2.1.2): the bits of a difference of means."""
_AC_CODES = frozenset({0x00, 0xF0, *(run << 4 | bits for run in range(16) for bits in range(1, 11))})
"""The same for the other coefficients (F.1.2.2): zeros before one, and its bits; end of block, and 16 zeros."""
_COMMENT = 0xFE
_APPLICATION = range(0xE0, 0xF0)


def can_keep_blocks() -> bool:
    """Whether the library for the coefficients is installed; there are no wheels of it for some systems."""
    try:
        import jpegio  # noqa: F401
    except ImportError:
        return False
    return True


def with_changed_pixels(content: bytes, pixels: NDArray[np.uint8], changed: NDArray[np.bool_]) -> bytes | None:
    """Change pixels of a JPEG file, and keep the coefficients of all blocks without such pixels.

    Args:
        content: the file; of several pictures the first is taken.
        pixels: uint8 H×W (grey) or H×W×3 (RGB), as stored, not upright.
        changed: bool H×W, the pixels to change.

    Returns:
        A file without application segments and comments; None if this kind of JPEG is not supported, such as CMYK, or
        the file is not whole.
    """
    import jpegio

    if read_markers(content).end is None:
        return None
    try:
        with _named_file(content) as name:
            picture = jpegio.read(name)
    except RuntimeError:  # libjpeg's own message, for example for arithmetic coding of some kinds
        return None
    if not _is_supported(picture, pixels):
        return None
    for number, row in enumerate(_COMPONENTS[picture.jpeg_color_space]):
        _change_blocks(picture, number, row, pixels, changed)
    picture.markers = []
    # Tables of its own take a second pass, half of the time of writing, and may lack codes that new coefficients need.
    picture.optimize_coding = int(not _has_all_codes(picture))
    with _named_file(b"") as name:
        jpegio.write(picture, name)
        with open(name, "rb") as file:
            return b"\xff\xd8" + b"".join(_other_segments(file.read()))


def header_segments(content: bytes) -> bytes:
    """The application segments and comments of a JPEG file."""
    return b"".join(segment for marker, segment in _header(content) if _is_described(marker))


def _has_all_codes(picture: Any) -> bool:
    """Whether the file's Huffman tables code all coefficients of a sequential JPEG, as those of annex K do."""
    dc, ac = picture.dc_huff_tables, picture.ac_huff_tables
    used = all(info.dc_tbl_no < len(dc) and info.ac_tbl_no < len(ac) for info in picture.comp_info)
    tables = [*((table, _DC_CODES) for table in dc), *((table, _AC_CODES) for table in ac)]
    has_codes = (codes <= {*table["symbols"][: table["counts"].sum()].tolist()} for table, codes in tables)
    return used and not picture.progressive_mode and all(has_codes)


# ---------------------------------------------------------------- blocks


def _is_supported(picture: Any, pixels: NDArray[np.uint8]) -> bool:
    matrix = _COMPONENTS.get(picture.jpeg_color_space)
    if matrix is None or picture.data_precision != 8 or len(matrix) != (1 if pixels.ndim == 2 else pixels.shape[2]):
        return False
    factors = [(info.v_samp_factor, info.h_samp_factor) for info in picture.comp_info]
    tallest, widest = (max(side) for side in zip(*factors, strict=True))
    divides = all(tallest % down == 0 and widest % across == 0 for down, across in factors)
    return divides and (picture.image_height, picture.image_width) == pixels.shape[:2]


def _change_blocks(
    picture: Any, number: int, row: NDArray[np.float64], pixels: NDArray[np.uint8], changed: NDArray[np.bool_]
) -> None:
    """Compress the changed blocks of one component again; `row` makes it from the channels of a pixel."""
    info, coefficients = picture.comp_info[number], picture.coef_arrays[number]
    down = max(other.v_samp_factor for other in picture.comp_info) // info.v_samp_factor
    across = max(other.h_samp_factor for other in picture.comp_info) // info.h_samp_factor
    blocks = coefficients.reshape(coefficients.shape[0] // _BLOCK, _BLOCK, -1, _BLOCK)
    table = np.asarray(picture.quant_tables[info.quant_tbl_no], np.float32)
    for rows, columns in _changed_blocks(changed, _BLOCK * down, _BLOCK * across):
        samples = _samples(pixels, rows, columns, (down, across), row)
        if picture.jpeg_color_space != _YCBCR or number == 0:
            samples -= 128  # the other components are centred at 0 already
        transformed = _DCT @ samples @ _DCT.T
        values = np.clip(np.rint(transformed / table), -_MAX_COEFFICIENT - 1, _MAX_COEFFICIENT).astype(np.int32)
        blocks[rows, :, columns, :] = values


def _changed_blocks(
    changed: NDArray[np.bool_], tall: int, wide: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Rows and columns of the blocks of tall×wide pixels with a changed pixel, some thousands at a time."""
    left, top, width, height = cv2.boundingRect(changed.view(np.uint8))
    first_row, first_column = top // tall, left // wide
    part = changed[first_row * tall : top + height, first_column * wide : left + width]
    if not part.size:
        return
    in_rows = np.logical_or.reduceat(part, range(0, part.shape[0], tall), axis=0)
    rows, columns = np.nonzero(np.logical_or.reduceat(in_rows, range(0, part.shape[1], wide), axis=1))
    rows, columns = rows + first_row, columns + first_column
    for start in range(0, len(rows), _BLOCKS_AT_ONCE):
        yield rows[start : start + _BLOCKS_AT_ONCE], columns[start : start + _BLOCKS_AT_ONCE]


def _samples(
    pixels: NDArray[np.uint8],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    factors: tuple[int, int],
    row: NDArray[np.float64],
) -> NDArray[np.float32]:
    """The samples N×8×8 of a component in blocks; beyond the photo's edge its last pixels are repeated."""
    height, width = pixels.shape[:2]
    tall, wide = _BLOCK * factors[0], _BLOCK * factors[1]
    ys = np.minimum(rows[:, None] * tall + np.arange(tall), height - 1)
    xs = np.minimum(columns[:, None] * wide + np.arange(wide), width - 1)
    tiles = pixels[ys[:, :, None], xs[:, None, :]].reshape(len(rows), tall, wide, -1)
    component = tiles @ row.astype(np.float32)
    means: NDArray[np.float32] = component.reshape(-1, _BLOCK, factors[0], _BLOCK, factors[1]).mean((2, 4))
    return means


def _dct() -> NDArray[np.float32]:
    """The matrix of the orthonormal DCT-II of 8 samples."""
    frequency, place = np.ogrid[:_BLOCK, :_BLOCK]
    waves: NDArray[np.float64] = np.cos((2 * place + 1) * frequency * np.pi / (2 * _BLOCK)) * np.sqrt(2 / _BLOCK)
    waves[0] /= np.sqrt(2)
    return waves.astype(np.float32)


_DCT = _dct()


# ---------------------------------------------------------------- files


def _header(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Each marker before the first scan with its whole segment, and at last that of the scan with all that follows."""
    for marker, start, end in segments(content):
        if marker == SCAN:
            yield marker, content[start - 2 :]
            return
        yield marker, content[start - 2 : end]


def _other_segments(content: bytes) -> Iterator[bytes]:
    return (segment for marker, segment in _header(content) if not _is_described(marker))


def _is_described(marker: int) -> bool:
    return marker in _APPLICATION or marker == _COMMENT


@contextmanager
def _named_file(content: bytes) -> Iterator[str]:
    """The name of a file with this content, for a library that opens names alone; in memory where the system can."""
    with _unnamed() as (file, name):
        file.write(content)
        file.flush()
        yield name


@contextmanager
def _unnamed() -> Iterator[tuple[BinaryIO, str]]:
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("onar"), "wb") as file:
            yield file, f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "photo.jpg")
            with open(path, "wb") as file:
                yield file, path
