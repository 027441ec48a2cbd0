"""What is looked at before a decoder gets a file: whether it would take long or much, and what needs mending first."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

from onar.imaging.formats import bmp, heif, jpeg, png
from onar.imaging.losses import Loss


@dataclass(frozen=True)
class Inspected:
    """A file that a decoder can be given.

    Attributes:
        file: open for reading; a copy in memory where something was mended.
        losses: what that leaves out.
        markers: of a JPEG file.
    """

    file: BinaryIO
    losses: tuple[Loss, ...] = ()
    markers: jpeg.Markers | None = None

    def with_end(self) -> Inspected:
        """The same with the end marker that a JPEG file lacks, if no pixels are missing; they are decoded for that."""
        if self.markers is None or self.markers.end is not None:
            return self
        self.file.seek(0)
        mended = jpeg.with_end(self.file.read(), self.markers)
        return self if mended is None else Inspected(io.BytesIO(mended), (Loss("no_end"),))


def inspect(file: BinaryIO, start: bytes) -> Inspected:
    """Look at a file that is no TIFF file and starts with these bytes, 12 or more.

    Raises:
        OnarError: it would take far longer to decode, or more memory, than its pixels do.
    """
    if jpeg.is_jpeg(start):
        file.seek(0)
        return Inspected(file, markers=jpeg.check_before_decoding(file.read()))
    if png.is_png(start):
        mended, left_out = png.mended(file)
        return Inspected(mended, (Loss("damaged_chunks", names=", ".join(left_out)),) if left_out else ())
    if start.startswith(b"BM"):
        bmp.check_before_decoding(file)
    elif start[4:8] == b"ftyp":
        heif.check_before_decoding(file)
    return Inspected(file)
