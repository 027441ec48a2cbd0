"""The damage network: where a photo has scratches and dust, in windows of bounded memory.

It runs at the photo's own scale, and at half of it for damage that is wider than what it sees at once. The larger
probability counts; that of half the scale is lowered, because it must be surer where both see the damage.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, log
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.errors import OnarError
from onar.fills.pyramid import fill_frame
from onar.imaging.levels import Pixels
from onar.inference.scaling import to_frame
from onar.inference.sessions import OnnxSession
from onar.inference.windows import Box

MULTIPLE = 16
"""Height and width of the network's input are multiples of it."""
SIDE, MARGIN = 1024, 96
"""Side of a window, and the part of it on each side that is seen for context alone; pixels."""
MIN_HALVED = 64
"""Photos with a shorter side than this are not searched at half the scale."""
HALF_ODDS = 7.389
"""Division of the odds at half the scale. Measured on drawn damage (F1 of scratches, dust) against 1: sharp photos
0.650, 0.588 against 0.643, 0.596, enlarged ones 0.647, 0.413 against 0.652, 0.417; of 100 photos without damage 70
against 55 are marked by at most 0.2 %."""
STEEPNESS = 8.0
"""Change of the threshold's log-odds from one end of `sensitivity` to the other."""

Probabilities = NDArray[np.float32]
"""C×H×W in [0, 1], a channel for each kind of damage."""


class DamageNetwork:
    """The network in an ONNX file.

    Args:
        path: photo, B×3×H×W RGB in [0, 1], to probabilities, B×C×H×W; its metadata have `threshold_scratches` and
            `threshold_dust`.
        names: of the channels.
        device: as for `OnnxSession`.
        threads: as for `OnnxSession`.

    Raises:
        OnarError: the file cannot be read, or is none of these.

    Attributes:
        thresholds: probability from which each kind is marked at a sensitivity of 0.5, by its name.
    """

    def __init__(self, path: Path, names: tuple[str, ...], device: str = "auto", threads: int = 0) -> None:
        session = OnnxSession(path, device, threads)
        self._session = session
        self._input = session.running.get_inputs()[0].name
        try:
            self.thresholds = {name: float(session.metadata[f"threshold_{name}"]) for name in names}
        except (KeyError, ValueError) as error:
            raise OnarError(f"{path} finds no damage: its metadata name no threshold for {', '.join(names)}") from error

    def find(self, pixels: Pixels, hidden: NDArray[np.bool_] | None, sensitivity: float) -> NDArray[np.bool_]:
        """Where each kind of damage is: bool C×H×W.

        Args:
            pixels: uint8 or uint16, H×W or H×W×3.
            hidden: bool H×W, True where the photo cannot be seen; None for nowhere.
            sensitivity: from 0 to 1; 0.5 for the thresholds of the file.
        """
        height, width = pixels.shape[:2]
        limits = np.reshape([threshold_at(sensitivity, one) for one in self.thresholds.values()], (-1, 1, 1))
        found = np.zeros((len(limits), height, width), bool)
        halved = self._at_half_scale(pixels, hidden)
        for core, shown in windows(height, width):
            probabilities = self._probabilities(*_seen(pixels, hidden, shown))[:, *core.within(shown)]
            if halved is not None:
                probabilities = np.maximum(probabilities, _enlarged(halved, core))
            found[:, *core.slices] = probabilities >= limits
        return found

    def _at_half_scale(self, pixels: Pixels, hidden: NDArray[np.bool_] | None) -> NDArray[np.uint8] | None:
        """Probabilities of the photo at half its scale, uint8 C×⌈H/2⌉×⌈W/2⌉; None for a small photo."""
        height, width = pixels.shape[:2]
        if min(height, width) < MIN_HALVED:
            return None
        halved = halve(pixels)
        hidden = None if hidden is None else halve(np.multiply(hidden, 255, dtype=np.uint8)) > 0
        found = np.empty((len(self.thresholds), *halved.shape[:2]), np.uint8)
        for core, shown in windows(*halved.shape[:2]):
            probabilities = self._probabilities(*_seen(halved, hidden, shown))[:, *core.within(shown)]
            found[:, *core.slices] = np.rint(255 * _lowered(probabilities))
        return found

    def _probabilities(self, photo: NDArray[np.float32], hidden: NDArray[np.bool_] | None) -> Probabilities:
        """Probabilities of one window, H×W×3, of any size."""
        height, width = photo.shape[:2]
        if hidden is not None and hidden.any():
            photo = fill_frame(photo, np.asarray(~hidden, np.float32))
        padding = ((0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0))
        padded = np.pad(photo, padding, mode="symmetric").transpose(2, 0, 1)[None]
        output = self._session.run({self._input: np.ascontiguousarray(padded)})
        probabilities: Probabilities = output[0, : len(self.thresholds), :height, :width]
        return probabilities


def _lowered(probabilities: Probabilities) -> NDArray[np.float64]:
    """Probabilities with their odds divided by `HALF_ODDS`."""
    exact = probabilities.astype(np.float64)
    return np.asarray(exact / (exact + (1 - exact) * HALF_ODDS))


def halve(pixels: Pixels) -> Pixels:
    """Means of the 2×2 blocks of H×W or H×W×3; the last row or column of an odd side counts twice.

    >>> halve(np.array([[0, 100, 50]], np.uint8))
    array([[50, 50]], dtype=uint8)
    """
    bottom, right = (side % 2 for side in pixels.shape[:2])
    even = cv2.copyMakeBorder(pixels, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(even, (even.shape[1] // 2, even.shape[0] // 2), interpolation=cv2.INTER_AREA))


def threshold_at(sensitivity: float, threshold: float) -> float:
    """The threshold of a probability at a sensitivity from 0 to 1: `threshold` at 0.5, lower above.

    >>> round(threshold_at(0.5, 0.3), 6), threshold_at(0.6, 0.3) < 0.3
    (0.3, True)
    """
    odds = log(threshold / (1 - threshold)) + STEEPNESS * (0.5 - sensitivity)
    return 1 / (1 + exp(-odds))


def windows(height: int, width: int) -> Iterator[tuple[Box, Box]]:
    """Windows that cover a photo: the part that each decides, and the part that it sees."""
    photo = Box(0, 0, height, width)
    for core in photo.pieces(SIDE - 2 * MARGIN if photo.longer_side > SIDE else SIDE):
        yield core, core.grown(MARGIN, photo)


def _seen(
    pixels: Pixels, hidden: NDArray[np.bool_] | None, shown: Box
) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
    """A window of a photo as float32 H×W×3, and of what is hidden."""
    part = to_frame(pixels[shown.slices])
    colours = part if part.ndim == 3 else np.repeat(part[..., None], 3, axis=2)
    return colours, None if hidden is None else hidden[shown.slices]


def _enlarged(halved: NDArray[np.uint8], core: Box) -> Probabilities:
    """Probabilities found at half the scale, for a part of the photo."""
    matrix = np.array([[0.5, 0, core.left / 2 - 0.25], [0, 0.5, core.top / 2 - 0.25]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = core.width, core.height
    planes = [cv2.warpAffine(one, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE) for one in halved]
    return np.divide(np.stack(planes), 255, dtype=np.float32)
