"""Cost of holes: passes and pixels of the network, and seconds, by the number of holes."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.networks import PHOTOS
from benchmarks.table import Table
from benchmarks.timing import interleave
from onar import Inpainter
from onar.inference.backends import Backend, Frame

Holes = NDArray[np.bool_]

NOTE = (
    "The bundled weights, strategy auto, in one process: runs of the network, their total pixels, and median seconds. "
    "A pass may be a batch of several windows. Thin holes are filled by the pyramid, without the network."
)
REPEATS = 3


class CountingBackend(Backend):
    """A backend that counts the passes of another one."""

    def __init__(self, backend: Backend) -> None:
        self._backend, self.device = backend, backend.device
        self.passes = self.pixels = 0

    @property
    def step(self) -> int:
        """See `Backend`."""
        return self._backend.step

    def __call__(self, photo: Frame, known: Frame, /) -> Frame:
        """See `Backend`."""
        self.passes += 1
        self.pixels += known.size
        return self._backend(photo, known)


def measure() -> list[Table]:
    """One row for each kind of photo with holes."""
    inpainter = Inpainter.load(device="cpu")
    cases: dict[str, tuple[int, int, Holes]] = {
        "24 MP, one hole of 300 pixels": _case(4000, 6000, _square(300)),
        "24 MP, 1,000 specks of 2 to 10 pixels": _case(4000, 6000, _specks(1000)),
        "640 x 640, nine scratches 6 pixels wide": _case(640, 640, _scratches(9)),
        "1000 x 1000, 144 specks": _case(1000, 1000, _specks(144)),
        "1200 x 1200, 144 specks": _case(1200, 1200, _specks(144)),
    }
    counts = {name: _count(inpainter, *case) for name, case in cases.items()}
    times = interleave({name: _completing(inpainter, *case) for name, case in cases.items()}, REPEATS)
    rows = [
        [name, str(counts[name].passes), f"{counts[name].pixels / 1e6:.2f}", f"{one.median:.2f}"]
        for name, one in times.items()
    ]
    return [Table("Holes", NOTE, ["photo", "passes", "network megapixels", "seconds"], rows)]


def _case(height: int, width: int, draw: Callable[[NDArray[np.uint8]], None]) -> tuple[int, int, Holes]:
    canvas = np.zeros((height, width), np.uint8)
    draw(canvas)
    return height, width, canvas > 0


def _square(side: int) -> Callable[[NDArray[np.uint8]], None]:
    def draw(canvas: NDArray[np.uint8]) -> None:
        top, left = (n // 2 for n in canvas.shape)
        canvas[top : top + side, left : left + side] = 1

    return draw


def _specks(count: int) -> Callable[[NDArray[np.uint8]], None]:
    def draw(canvas: NDArray[np.uint8]) -> None:
        rng = np.random.default_rng(0)
        places = rng.integers(0, canvas.shape[::-1], (count, 2))
        for place, width in zip(places.tolist(), rng.integers(2, 11, count).tolist(), strict=True):
            cv2.line(canvas, place, place, 1, width)

    return draw


def _scratches(count: int) -> Callable[[NDArray[np.uint8]], None]:
    def draw(canvas: NDArray[np.uint8]) -> None:
        height, width = canvas.shape
        for number in range(count):
            row = (2 * number + 1) * height // (2 * count)
            cv2.line(canvas, (width // 10, row), (9 * width // 10, row + 10), 1, 6)

    return draw


def _completing(inpainter: Inpainter, height: int, width: int, hole: Holes) -> Callable[[], object]:
    with Image.open(min(PHOTOS.glob("*.jpg"))) as picture:
        photo = np.asarray(picture.convert("RGB").resize((width, height), Image.Resampling.BICUBIC))
    return lambda: inpainter(photo, hole)


def _count(inpainter: Inpainter, height: int, width: int, hole: Holes) -> CountingBackend:
    counting = CountingBackend(inpainter.backend)
    _completing(Inpainter(counting, inpainter.training_size), height, width, hole)()
    return counting
