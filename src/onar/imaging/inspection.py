"""Checks before decoding: refuse files that would take too long or too much memory, and repair others."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

from onar.imaging.formats import bmp, heif, jpeg, png
from onar.imaging.losses import Loss


@dataclass(frozen=True)
class Inspected:
    """A file that is safe to decode, in memory if it was repaired; data that the repair drops; and a JPEG's markers."""

    file: BinaryIO
    losses: tuple[Loss, ...] = ()
    markers: jpeg.Markers | None = None

    def with_end(self) -> Inspected:
        """Append the missing end marker of a JPEG file, if its pixels are complete; decodes them."""
        if self.markers is None or self.markers.end is not None:
            return self
        self.file.seek(0)
        repaired = jpeg.with_end(self.file.read(), self.markers)
        return self if repaired is None else Inspected(io.BytesIO(repaired), (Loss("no_end"),))


def inspect(file: BinaryIO, start: bytes) -> Inspected:
    """Inspect a file other than TIFF by its first 12 bytes; raises `OnarError` if decoding would cost too much."""
    if jpeg.is_jpeg(start):
        file.seek(0)
        return Inspected(file, markers=jpeg.check_before_decoding(file.read()))
    if png.is_png(start):
        repaired, left_out = png.without_damaged_chunks(file)
        return Inspected(repaired, (Loss("damaged_chunks", names=", ".join(left_out)),) if left_out else ())
    if start.startswith(b"BM"):
        bmp.check_before_decoding(file)
    elif start[4:8] == b"ftyp":
        heif.check_before_decoding(file)
    return Inspected(file)
