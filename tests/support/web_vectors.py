"""Photos, holes and what `Inpainter` makes of them, for the front end's counterpart of it (`web/src/engine/browser`).

`python -m tests.support.web_vectors` writes `web/tests/vectors.json`, with which `npm test` in `web` compares; it
is to be run when the rules of completing change. `tests/inference/test_typescript.py` has others compared.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onar import Inpainter
from onar.inference import rules, texture, window_plan
from onar.inference.backends import Backend, Frame, PyramidBackend
from onar.inference.windows import Box, deeper_than, find_groups, hole_depth
from onar.weights.bundled import bundled_photos
from tests.conftest import REPOSITORY
from tests.support.random_fills import random_hole, random_photo, random_size

VECTORS = REPOSITORY / "web" / "tests" / "vectors.json"
DEPTHS = (1.0, 3.5, 6.0, 16.0, 64.0)
REACH = 6
"""Pixels round its own on all sides that the stand-in for a network sees."""

Bytes = NDArray[np.uint8]


# ---------------------------------------------------------------- stand-ins
class Means(Backend):
    """Every pixel becomes the mean of the known ones near it, a little brighter where more are known."""

    device = "cpu"

    def __call__(self, photo: Frame, known: Frame, /) -> Frame:
        """See `Backend`."""
        count = _sums(known[..., None])
        means = np.where(count > 0, _sums(photo) / np.maximum(count, 1), 0.5)
        return np.asarray(means + 0.1 * count / (2 * REACH + 1) ** 2, np.float32)


def _sums(frames: Frame) -> NDArray[np.float64]:
    """Sums of what is near each pixel, N×H×W×C."""
    total = np.pad(frames.astype(np.float64), ((0, 0), (REACH + 1, REACH), (REACH + 1, REACH), (0, 0)))
    total = total.cumsum(axis=1).cumsum(axis=2)
    side = 2 * REACH + 1
    return total[:, side:, side:] - total[:, :-side, side:] - total[:, side:, :-side] + total[:, :-side, :-side]


class Recorded(Backend):
    """Another backend with a step, and a record of what it was asked for: (photos, height, width) of each pass."""

    device = "cpu"

    def __init__(self, backend: Backend, step: int) -> None:
        self._backend, self._step = backend, step
        self.passes: list[tuple[int, ...]] = []

    @property
    def step(self) -> int:
        """See `Backend`."""
        return self._step

    def __call__(self, photo: Frame, known: Frame, /) -> Frame:
        """See `Backend`."""
        self.passes.append(known.shape)
        return self._backend(photo, known)


def copy_pixels(photo: Bytes, hole: NDArray[np.bool_], radius: int = 5, seed: int = 0) -> Bytes:
    """In the place of PatchMatch: hole pixels get a quarter of their fill, and the rest of known ones in turn."""
    copied = photo.copy()
    known = photo[~hole]
    if len(known):
        numbers = (np.arange(np.count_nonzero(hole)) + 31 * seed + radius) % len(known)
        copied[hole] = (photo[hole].astype(np.uint16) + np.uint16(3) * known[numbers]) // 4
    return copied


def mix(led: Frame, copied: Frame, coarse: Frame, known: Frame) -> Frame:
    """In the place of the blend; the more is known in the row, the more is copied."""
    share = (0.5 + 0.25 * known.mean(axis=1, dtype=np.float64))[:, None, None]
    return np.asarray(led + share * (copied - led) + 0.125 * (coarse - copied), np.float32)


NETWORKS: dict[str, Callable[[], Backend]] = {"pyramid": PyramidBackend, "means": Means}


# ---------------------------------------------------------------- cases
@dataclass(frozen=True)
class Case:
    """A photo to complete.

    Attributes:
        name: for the reader.
        photo: uint8 h×w×3, perhaps smaller than it is meant: each of its pixels becomes `repeat` × `repeat`.
        hole: bool H×W.
        network: a name of `NETWORKS`.
        training_size, step: of the network.
        seed: of what is copied; None for "network" as the texture.
        feather: pixels.
        repeat: see `photo`.
    """

    name: str
    photo: Bytes
    hole: NDArray[np.bool_]
    network: str = "means"
    training_size: int = 64
    step: int = 16
    seed: int | None = None
    feather: int = 0
    repeat: int = 1

    def solved(self) -> dict[str, Any]:
        """The case and what Python makes of it, for JSON."""
        photo = self.photo.repeat(self.repeat, axis=0).repeat(self.repeat, axis=1)
        photo = photo[: self.hole.shape[0], : self.hole.shape[1]]
        backend = Recorded(NETWORKS[self.network](), self.step)
        inpainter = Inpainter(backend, self.training_size)
        inpainter.blend = mix  # type: ignore[assignment]
        choice = {"texture": "network"} if self.seed is None else {"texture": "patches", "seed": self.seed}
        with patch.object(texture, "copy_patches", copy_pixels):
            completed = inpainter.complete(photo, self.hole, feather=self.feather, **choice)
        return {
            "name": self.name, "height": photo.shape[0], "width": photo.shape[1], "photo": pack(self.photo),
            "repeat": self.repeat, "hole": pack(self.hole.astype(np.uint8) * 255), "network": self.network,
            "training_size": self.training_size, "step": self.step, "seed": self.seed, "feather": self.feather,
            "passes": backend.passes,
            "completed": pack(completed[self.hole]), **self._decisions(),
        }  # fmt: skip

    def _decisions(self) -> dict[str, Any]:
        """Which holes are how deep, and what is planned for them."""
        planner = window_plan.Planner(Box(0, 0, *self.hole.shape), self.training_size, self.step)
        deep = deeper_than(self.hole, rules.max_depth(self.training_size))
        bare = deeper_than(self.hole, rules.SMALL)
        return {
            "depths": [
                (depth, int((hole_depth(self.hole) > depth).sum()), int(deeper_than(self.hole, depth).sum()))
                for depth in DEPTHS
            ],
            "groups": [[_corners(box) for box in find_groups(self.hole, block)] for block in (1, 7, 32)],
            "plan": [_numbers(windows) for windows in planner.plan(self.hole)],
            "plan_deep": _numbers(planner.plan_deep(deep)),
            "plan_texture": [_numbers(windows) for windows in texture.plan_texture(bare)],
        }


def _corners(box: Box) -> tuple[int, ...]:
    return box.top, box.left, box.bottom, box.right


def _numbers(windows: Sequence[window_plan.Window]) -> list[tuple[int, ...]]:
    return [(*_corners(window.core), *_corners(window.shown)) for window in windows]


def pack(values: Bytes) -> str:
    """Bytes, each as its difference to the third before it, compressed, as text."""
    flat = values.ravel()
    differences = flat.copy()
    differences[3:] -= flat[:-3]
    return base64.b64encode(gzip.compress(differences.tobytes(), mtime=0)).decode()


def rule_numbers() -> dict[str, Any]:
    """Values of the functions of `rules`."""
    sizes, depths = (64, 256, 384, 512, 1000), (1.0, 6.0, 6.1, 32.0, 33.0)
    return {
        "contexts": [(depth, size, rules.context(depth, size)) for depth in depths for size in sizes],
        "sizes": [(size, rules.max_side(size), rules.max_depth(size), rules.band(size)) for size in sizes],
        "patch_radius": [(depth, share, rules.patch_radius(depth, share)) for depth in depths for share in (0.3, 0.31)],
        "texture_margins": [
            (depth, side, rules.texture_margin(depth, side)) for depth in (*depths, 301.3) for side in (10, 100, 1000)
        ],
        "texture_sides": [(depth, rules.max_texture_side(depth)) for depth in (6.1, 150.0, 301.3)],
    }


def write(path: Path, cases: Sequence[Case]) -> None:
    """Write cases, a line each, and what Python makes of them."""
    lines = ",\n".join(json.dumps(case.solved()) for case in cases)
    path.write_text(f'{{"rules": {json.dumps(rule_numbers())},\n"cases": [\n{lines}\n]}}\n')


# ---------------------------------------------------------------- photos and holes
def photo_of(height: int, width: int, number: int = 0) -> Bytes:
    """A bundled photo of that size."""
    path = sorted(bundled_photos().glob("*.jpg"))[number]
    return np.asarray(Image.open(path).convert("RGB").resize((width, height)))


def random_holes(height: int, width: int, rng: np.random.Generator, count: int, largest: int = 60) -> NDArray[np.bool_]:
    """Discs, strokes and rectangles of all sizes, small ones most."""
    drawn = np.zeros((height, width), np.uint8)
    for _ in range(count):
        start = (rng.random(2) * (width, height)).astype(int)
        radius = int(largest ** rng.random())
        kind = rng.integers(3)
        if kind == 0:
            cv2.circle(drawn, start.tolist(), radius, 1, -1)
        elif kind == 1:
            cv2.line(drawn, start.tolist(), (start + rng.integers(-150, 150, 2)).tolist(), 1, 1 + radius // 3)
        else:
            cv2.rectangle(drawn, start.tolist(), (start + radius).tolist(), 1, -1)
    return drawn > 0


def box_of(height: int, width: int, top: int, left: int, bottom: int, right: int) -> NDArray[np.bool_]:
    """One rectangular hole."""
    hole = np.zeros((height, width), bool)
    hole[top:bottom, left:right] = True
    return hole


def kept_cases() -> list[Case]:
    """Those that are kept in `web/tests/vectors.json`: small, and each shows something else."""
    rng = np.random.default_rng(0)
    strokes = np.zeros((90, 121), np.uint8)
    for number in range(8):
        cv2.line(strokes, (3 + 15 * number, 0), (110 - 9 * number, 89), 1, 1 + number % 3)
    blobs = random_holes(120, 150, rng, 9, largest=20)
    specks = np.zeros((1100, 90), np.uint8)
    for row in range(6, 1100, 66):
        cv2.circle(specks, (int(rng.integers(5, 85)), row), 4 + row % 4, 1, -1)
    wide = random_holes(1200, 1100, rng, 60) | box_of(1200, 1100, 700, 300, 1010, 640)
    large, low = box_of(700, 521, 100, 50, 560, 430), box_of(704, 900, 524, 250, 704, 650)
    narrow = random_holes(1100, 120, np.random.default_rng(1), 12) | box_of(1100, 120, 300, 40, 1000, 60)
    at_edge = "a deep hole at the lower edge, where no two scales have as many nodes as their sides say"
    smaller = "a network of crops that are smaller than the margins of windows"
    halved: dict[str, Any] = {"training_size": 256, "repeat": 10}
    by_pyramid: dict[str, Any] = halved | {"network": "pyramid", "step": 1}
    return [
        Case("thin strokes", photo_of(90, 121), strokes > 0),
        Case("blobs, by the pyramid", photo_of(120, 150, 1), blobs, "pyramid", step=1),
        Case("blobs, with copied texture", photo_of(120, 150, 2), blobs, seed=1),
        Case("a hole at the border", photo_of(81, 110, 3), box_of(81, 110, 30, 60, 81, 110)),
        Case("blobs, with a feather", photo_of(120, 150, 2), blobs, feather=9),
        Case("a rim that half the scale does not show", photo_of(41, 43, 8), box_of(41, 43, 1, 1, 41, 43), seed=0),
        Case("a photo that is all hole", photo_of(65, 97, 4), np.ones((65, 97), bool), seed=0),
        Case("a photo of one pixel", photo_of(1, 1), np.ones((1, 1), bool)),
        Case("many small holes in windows", photo_of(110, 9, 5), specks > 0, repeat=10),
        Case("a hole to be halved twice", photo_of(70, 53, 6), box_of(700, 521, 60, 90, 600, 460), **halved),
        Case("a hole to be halved twice, by the pyramid and copied", photo_of(70, 53, 7), large, seed=2, **by_pyramid),
        Case("holes of all sizes in windows", photo_of(60, 55, 8), wide, repeat=20),
        Case(at_edge, photo_of(71, 90, 9), low, seed=3, **by_pyramid),
        Case(smaller, photo_of(110, 12, 10), narrow, training_size=16, repeat=10),
    ]


def random_case(seed: int) -> Case:
    """A photo of any size up to 1,500 pixels a side, with few or many holes in all or in a part of it."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(20, 1500, 2).tolist()
    repeat = 20
    hole = random_holes(height, width, rng, count=int(10 ** rng.uniform(0, 2)), largest=int(rng.choice([20, 60, 250])))
    return Case(
        f"random holes, seed {seed}",
        photo_of(-(-height // repeat), -(-width // repeat), seed % 20),
        hole,
        rng.choice(list(NETWORKS)),
        training_size=int(rng.choice([64, 128, 256])),
        step=int(rng.choice([1, 16, 64])),
        seed=seed if seed % 2 else None,
        feather=seed % 4 * 5,
        repeat=repeat,
    )


def edge_case(seed: int) -> Case:
    """A photo as `random_fills` draws it, with holes at its borders, for a network of any training size."""
    rng = np.random.default_rng(seed)
    height, width = random_size(rng, int(rng.choice([300, 1200], p=[0.9, 0.1])))
    return Case(
        f"holes at borders, seed {seed}",
        random_photo(height, width, rng),
        random_hole(height, width, rng),
        rng.choice(list(NETWORKS)),
        training_size=int(rng.integers(1, 70) if rng.random() < 0.7 else rng.integers(70, 300)),
        step=int(rng.choice([1, 16, 64])),
        seed=seed if seed % 3 else None,
    )


def grey_case() -> Case:
    """A black-and-white photo in three channels, one level off here and there, with colours under its hole."""
    photo = np.repeat(photo_of(90, 120)[..., :1], 3, axis=2)
    photo[::7, ::5, 2] ^= 1
    hole = random_holes(90, 120, np.random.default_rng(3), 4)
    photo[hole] = photo_of(90, 120)[hole]
    return Case("a black-and-white photo", photo, hole, seed=1)


if __name__ == "__main__":
    write(VECTORS, kept_cases())
