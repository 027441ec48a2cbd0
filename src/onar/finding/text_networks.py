"""PP-OCR's networks: where a picture has lines of text, and how surely a line can be read.

Du et al., "PP-OCR: A Practical Ultra Lightweight OCR System" (2020). The detector gives probabilities of the inner part
of lines (Liao et al., "Real-time Scene Text Detection with Differentiable Binarization", 2020). The files are those of
the package rapidocr; its code, which logs and downloads, is not used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.finding.kinds import PACKAGES, MissingExtraError
from onar.imaging.sheets import Picture
from onar.inference.sessions import OnnxSession

DETECTOR, READER = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"
MULTIPLE = 32
"""Sides of the detector's input are multiples of it."""
INNER, MIN_SCORE, MIN_SIDE = 0.3, 0.4, 3.0
"""Least probability of a line's pixels, least mean of a line, and least height of its inner part in pixels."""
UNCLIP = 1.6
"""Growth of the inner part of a line to the whole: this times area / perimeter on each side."""
READ_HEIGHT, MAX_READ_WIDTH = 48, 2048
"""Height of the reader's input, and its maximum width; pixels."""


@dataclass(frozen=True)
class TextLine:
    """A line of text: a rotated rectangle in pixels, `width` along the longer side, and the detector's score."""

    centre: tuple[float, float]
    width: float
    height: float
    angle: float
    score: float

    @classmethod
    def of(cls, centre: tuple[float, float], size: tuple[float, float], angle: float, score: float) -> TextLine:
        """A line of any rectangle."""
        if size[0] >= size[1]:
            return cls(centre, *size, angle, score)
        return cls(centre, size[1], size[0], angle + 90, score)

    def scaled(self, across: float, down: float) -> TextLine:
        """The line in a picture of another size; both factors are almost equal."""
        factor = (across + down) / 2
        centre = self.centre[0] * across, self.centre[1] * down
        return TextLine(centre, self.width * factor, self.height * factor, self.angle, self.score)

    def corners(self, grown: float = 0.0) -> NDArray[np.float32]:
        """4×2, grown on each side by a share of the height."""
        more = 2 * grown * self.height
        box = (self.centre, (self.width + more, self.height + more), self.angle)
        return np.asarray(cv2.boxPoints(box), np.float32)


class TextNetworks:
    """The detector and the reader; raises `MissingExtraError` when they are not installed."""

    def __init__(self, threads: int = 0) -> None:
        self._detector = OnnxSession(model_file(DETECTOR), "cpu", threads)
        self._reader = OnnxSession(model_file(READER), "cpu", threads)

    def find_lines(self, picture: Picture, longest: int) -> list[TextLine]:
        """The lines of text in a picture, H×W×3, searched at a size of about `longest` pixels."""
        height, width = picture.shape[:2]
        scale = longest / max(height, width)
        tall, wide = (max(1, round(side * scale / MULTIPLE)) * MULTIPLE for side in (height, width))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        resized = cv2.resize(picture, (wide, tall), interpolation=how)
        probabilities = _run(self._detector, resized)[0, 0]
        return [line.scaled(width / wide, height / tall) for line in _lines(probabilities)]

    def read(self, picture: Picture, line: TextLine) -> tuple[int, float]:
        """How many letters a line has, and how surely they are read, 0 to 1: upright, or turned either way."""
        straight = _straightened(picture, line)
        views = [straight, np.rot90(straight, 2)]
        if straight.shape[1] < 1.5 * straight.shape[0]:  # a short line may be upright on its shorter side
            views += [np.rot90(straight, 1), np.rot90(straight, 3)]
        return max((self._read(view) for view in views), key=lambda read: (min(read[0], 2), read[1]))

    def _read(self, picture: Picture) -> tuple[int, float]:
        height, width = picture.shape[:2]
        wide = int(np.clip(round(width * READ_HEIGHT / height), 16, MAX_READ_WIDTH))
        letters = _run(self._reader, cv2.resize(picture, (wide, READ_HEIGHT)))[0]
        best = letters.argmax(axis=1)
        kept = (best > 0) & np.append(True, best[1:] != best[:-1])  # 0 is between letters
        count = int(np.count_nonzero(kept))
        return count, float(letters.max(axis=1)[kept].mean()) if count else 0.0


def model_file(name: str) -> Path:
    """A network's file in the package of the extra `text`, whose code is never imported."""
    package = PACKAGES["text"]
    found = find_spec(package)
    places = [Path(place) / "models" / name for place in (found.submodule_search_locations or () if found else ())]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        reason = f"{package} has no {name}" if found else f"{package} is missing"
        raise MissingExtraError(f'finding text needs pip install "onar[text]" ({reason})')
    return path


def _run(session: OnnxSession, picture: NDArray[Any]) -> NDArray[np.float32]:
    """Run a network on a picture, H×W×3."""
    values = np.subtract(picture[..., ::-1] / np.float32(127.5), 1, dtype=np.float32)  # trained on BGR
    return np.asarray(session.run({"x": np.ascontiguousarray(values.transpose(2, 0, 1)[None])}), np.float32)


def _lines(probabilities: NDArray[np.float32]) -> Iterator[TextLine]:
    """The lines in a map of probabilities, H×W."""
    inner = cv2.dilate((probabilities > INNER).astype(np.uint8), np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(inner, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    for contour in contours:
        centre, (wide, tall), angle = cv2.minAreaRect(contour)
        if min(wide, tall) < MIN_SIDE:
            continue
        left, top, right, bottom = _place(contour)
        shape = np.zeros((bottom - top, right - left), np.uint8)
        corners = cv2.boxPoints((centre, (wide, tall), angle)) - (left, top)
        cv2.fillPoly(shape, [corners.astype(np.int32)], 1)
        score = cv2.mean(probabilities[top:bottom, left:right], shape)[0]
        if score >= MIN_SCORE:
            more = UNCLIP * wide * tall / (wide + tall)
            yield TextLine.of((centre[0], centre[1]), (wide + more, tall + more), angle, score)


def _place(contour: Any) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a contour."""
    left, top, wide, tall = cv2.boundingRect(contour)
    return left, top, left + wide, top + tall


def _straightened(picture: Picture, line: TextLine) -> Picture:
    """The line's rectangle as a picture, upright or upside down, at the reader's height."""
    height = READ_HEIGHT
    width = int(np.clip(round(line.width * height / line.height), 16, MAX_READ_WIDTH))
    angle = np.deg2rad(line.angle)
    along, down = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    corner = np.array(line.centre) - along * line.width / 2 - down * line.height / 2
    source = np.array([corner, corner + along * line.width, corner + down * line.height], np.float32)
    target = np.array([[0, 0], [width, 0], [0, height]], np.float32)
    matrix = cv2.getAffineTransform(source, target)
    straight = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(straight, np.uint8)
