"""Run-length encoded BMP files, which Pillow decodes pixel by pixel where a row ends early."""

from __future__ import annotations

import struct
from typing import BinaryIO

from onar.errors import OnarError

_RUN_LENGTHS = (1, 2)
_MAX_SKIPPED = 2_000_000
"""Pixels that may be missing at the ends of rows; files of ordinary programs have almost none."""


def check_before_decoding(file: BinaryIO) -> None:
    """Raise `OnarError` if most pixels of a run-length encoded file are missing, such as 20 kB for 24 megapixels."""
    file.seek(0)
    content = file.read()
    if len(content) < 34:
        return
    at, size, width = struct.unpack_from("<IIi", content, 10)
    if size < 40 or struct.unpack_from("<I", content, 30)[0] not in _RUN_LENGTHS:
        return
    if _left_out(content, at, width, struct.unpack_from("<H", content, 28)[0]) > _MAX_SKIPPED:
        raise OnarError("its rows end early: save it as PNG")


def _left_out(content: bytes, at: int, width: int, bits: int) -> int:
    """Number of pixels missing at the ends of rows."""
    filled = column = 0
    while at + 1 < len(content) and filled <= _MAX_SKIPPED:
        count, value = content[at], content[at + 1]
        at += 2
        if count:
            column += count
        elif value == 0:
            filled += max(0, width - column)
            column = 0
        elif value == 1:
            break
        elif value == 2:
            column = (column + content[at]) % max(1, width) if at < len(content) else 0
            at += 2
        else:
            column += value
            at += (-(-value * bits // 8) + 1) // 2 * 2
    return filled
