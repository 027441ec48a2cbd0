"""Photos, and what `onar.find` marks in them, for its counterpart in `web/src/engine/browser/finding.ts`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.finding.config import FindOptions
from onar.finding.damage import DamageNetwork
from onar.finding.finder import Finder, TooMuchFoundError
from onar.finding.kinds import WITHOUT_EXTRA
from tests.support.random_fills import random_photo, random_size
from tests.support.web_vectors import pack

THRESHOLDS = {"scratches": 0.5, "dust": 0.7}


class Edges(DamageNetwork):
    """In the place of the network: probabilities are differences between a pixel and others to the right, and below."""

    def __init__(self, *_: object) -> None:
        self.thresholds = THRESHOLDS
        self._session, self._input = self, "photo"

    def run(self, inputs: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """As an `OnnxSession`."""
        photo = np.pad(inputs["photo"], ((0, 0), (0, 0), (0, 3), (0, 3)))
        here, right, below = photo[:, :, :-3, :-3], photo[:, 0, :-3, 1:-2], photo[:, 2, 3:, :-3]
        found = np.stack([here[:, 0] - right, here[:, 2] - below], axis=1)
        return np.minimum(4 * np.abs(found), np.float32(1))


@dataclass(frozen=True)
class FindCase:
    """A photo, uint8 H×W×3, its alpha or None, and what to find."""

    name: str
    photo: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    what: tuple[str, ...]
    sensitivity: float

    def solved(self) -> dict[str, Any]:
        """The case and what Python marks, for JSON; no mask where it is too much."""
        with patch("onar.finding.finder.DamageNetwork", Edges):
            try:
                found = Finder(self.what).find(self.photo, self.alpha, FindOptions(sensitivity=self.sensitivity))
                mask = pack(found.astype(np.uint8) * 255)
            except TooMuchFoundError:
                mask = None
        alpha = np.full(self.photo.shape[:2], 255, np.uint8) if self.alpha is None else self.alpha
        return {
            "name": self.name, "height": self.photo.shape[0], "width": self.photo.shape[1], "photo": pack(self.photo),
            "alpha": pack(alpha), "what": self.what, "sensitivity": self.sensitivity, "mask": mask,
        }  # fmt: skip


def random_find_case(seed: int) -> FindCase:
    """A photo of any size with scratches drawn on it, a third of them partly transparent."""
    rng = np.random.default_rng(seed)
    height, width = random_size(rng, 1300)
    photo = random_photo(height, width, rng)
    for _ in range(int(rng.integers(1, 9))):
        ends = rng.integers(0, [width, height], (2, 2)).tolist()
        cv2.line(photo, ends[0], ends[1], rng.integers(0, 256, 3).tolist(), int(rng.integers(1, 9)))
    alpha = None
    if seed % 3 == 0:
        alpha = np.full((height, width), 255, np.uint8)
        cv2.circle(alpha, rng.integers(0, [width, height]).tolist(), max(3, min(height, width) // 3), 0, -1)
    what = [WITHOUT_EXTRA, WITHOUT_EXTRA[:1], WITHOUT_EXTRA[1:]][seed % 3]
    return FindCase(f"finding, seed {seed}", photo, alpha, what, float(rng.uniform(0, 1)))


def write_find_cases(path: Path, cases: Sequence[FindCase]) -> None:
    """Write cases for the front end."""
    path.write_text(json.dumps({"thresholds": THRESHOLDS, "cases": [case.solved() for case in cases]}))
