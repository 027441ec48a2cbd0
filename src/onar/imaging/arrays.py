"""Photos with other than one or three channels: the values of `.npy` and TIFF files as stored.

They come from cameras, microscopes and satellites, so no channel is taken for a colour or for transparency.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.errors import UsageError, printable
from onar.imaging.crops import Corners
from onar.imaging.formats.endings import ending_of
from onar.imaging.formats.exif import check_values
from onar.imaging.images import PhotoError, PhotoSource, check_size, map_photo_errors

ARRAY_ENDINGS = (".npy", ".tif", ".tiff")


@dataclass(frozen=True)
class ArrayFile:
    """An open photo, H×W×C."""

    path: PhotoSource
    pixels: NDArray[Any]

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])

    def read_crop(self, box: Corners, height: int, width: int) -> NDArray[np.float32]:
        """The part inside `box`, resized to height×width with antialiasing: float32 H×W×C in [0, 1].

        Raises `PhotoError` if it holds floats outside [0, 1].
        """
        left, top, right, bottom = box
        with map_photo_errors(self.path):
            part = in_unit_range(self.pixels[top:bottom, left:right])
        smaller = height < bottom - top or width < right - left
        how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        planes = [cv2.resize(part[..., at], (width, height), interpolation=how) for at in range(part.shape[2])]
        return np.stack(planes, axis=2)


@contextmanager
def open_array(path: PhotoSource, channels: int) -> Iterator[ArrayFile]:
    """Open a photo with the given number of channels.

    Raises `PhotoError` if the file is missing, damaged or too large, or has other channels or another type.
    """
    with map_photo_errors(path):
        pixels = _read(path)
        if pixels.ndim != 3 or pixels.shape[2] != channels or pixels.size == 0:
            shape = " x ".join(map(str, pixels.shape))
            raise PhotoError(f"{printable(path)}: {shape} numbers, not height x width x {channels}, as --channels says")
        if pixels.dtype not in (np.uint8, np.uint16) and pixels.dtype.kind != "f":
            kinds = "uint8, uint16, or floats from 0 to 1"
            raise PhotoError(f"{printable(path)}: numbers of type {pixels.dtype}: save it as {kinds}")
        check_size(path, pixels.shape[1], pixels.shape[0])
    yield ArrayFile(path, pixels)


def in_unit_range(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Scale uint8, uint16 or floats to float32 in [0, 1]; raises `UsageError` for floats outside [0, 1].

    >>> in_unit_range(np.array([0, 51, 255], np.uint8))
    array([0. , 0.2, 1. ], dtype=float32)
    """
    if pixels.dtype.kind == "u":
        scaled: NDArray[np.float32] = np.divide(pixels, np.iinfo(pixels.dtype).max, dtype=np.float32)
        return scaled
    values: NDArray[np.float32] = np.asarray(pixels, np.float32)
    if not bool(((values >= 0) & (values <= 1)).all()):
        raise UsageError(f"floats from {values.min():g} to {values.max():g}, which must be from 0 to 1")
    return values


def _read(path: PhotoSource) -> NDArray[Any]:
    """The array of a file, channels last."""
    if ending_of(str(path)) == ".npy":
        pixels: NDArray[Any] = np.load(Path(str(path)), mmap_mode="r", allow_pickle=False)
        return pixels
    from tifffile import TiffFile

    with path.open("rb") as file:
        check_values(file)
        file.seek(0)
        series = TiffFile(file).series[0]
        check_size(path, series.keyframe.imagewidth, series.keyframe.imagelength)
        pixels, axes = series.asarray(), series.axes
    # Channels may come first, as separate planes or pages.
    is_planes = len(axes) == 3 and axes.endswith("YX")
    return np.moveaxis(pixels, 0, 2) if is_planes else pixels
