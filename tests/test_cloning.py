"""Clone and heal on arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from onar.fills import cloning
from onar.fills.cloning import Offset, Stroke
from tests.conftest import PHOTOS
from tests.support.front_end import needs_vitest, run_vitest
from tests.support.web_vectors import pack

PHOTO_FILES = sorted(PHOTOS.glob("*.jpg"))[:6]
SIZE = 160, 120


def photo_of(path: object) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path).convert("RGB").resize(SIZE))


def disc(x: int, y: int, radius: int, soft: float = 0) -> NDArray[np.uint8]:
    away = np.hypot(*np.meshgrid(np.arange(SIZE[0]) - x, np.arange(SIZE[1]) - y))
    return np.clip(255 * (radius - away) / max(soft, 1), 0, 255).astype(np.uint8)


def clone(
    photo: NDArray[Any], stroke: Stroke, white: int, shown: NDArray[np.bool_] | None = None
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """A painted copy of a photo, and where it was painted."""
    result = photo.copy()
    return result, cloning.clone(result, stroke, white, shown)


def a_stroke(rng: np.random.Generator) -> NDArray[np.uint8]:
    """One to three discs of any size, also across the photo's edges, hard or soft."""
    discs = [
        disc(*(int(rng.integers(-5, side + 5)) for side in SIZE), int(rng.integers(1, 30)), rng.choice([0.0, 8.0]))
        for _ in range(rng.integers(1, 4))
    ]
    return np.max(discs, axis=0)


def exact(photo: NDArray[np.float64], painted: NDArray[np.bool_], offset: Offset) -> NDArray[np.float64]:
    """The Poisson equation of the painted pixels as a matrix, N×C."""
    height, width = painted.shape
    rows, columns = np.nonzero(painted)
    number = {place: at for at, place in enumerate(zip(rows, columns, strict=True))}
    matrix, right = np.zeros((len(rows), len(rows))), np.zeros((len(rows), photo.shape[2]))

    def source(row: int, column: int) -> NDArray[np.float64]:
        return photo[np.clip(row + offset.y, 0, height - 1), np.clip(column + offset.x, 0, width - 1)]

    for (row, column), at in number.items():
        for near in ((row, column - 1), (row, column + 1), (row - 1, column), (row + 1, column)):
            if not (0 <= near[0] < height and 0 <= near[1] < width):
                continue
            matrix[at, at] += 1
            right[at] += source(row, column) - source(*near)
            if near in number:
                matrix[at, number[near]] -= 1
            else:
                right[at] += photo[near]
    return np.linalg.solve(matrix, right)


@pytest.mark.parametrize("seed", range(8))
def test_healing_solves_the_poisson_equation_of_the_stroke(seed: int) -> None:
    rng = np.random.default_rng(seed)
    photo = photo_of(PHOTO_FILES[seed % len(PHOTO_FILES)])
    strength = np.where(a_stroke(rng) > 0, 255, 0).astype(np.uint8)
    strength[(strength > 0).cumsum().reshape(strength.shape) > 900] = 0  # the matrix is dense
    offset = Offset(int(rng.integers(-60, 60)), int(rng.integers(-60, 60)))
    healed, painted = clone(photo, Stroke(strength, offset, heals=True), 255)
    if painted.any():
        expected = exact(photo.astype(float), painted, offset).clip(0, 255)
        assert np.abs(healed[painted] - expected).max() <= 1


@pytest.mark.parametrize("path", PHOTO_FILES, ids=lambda path: path.stem)
def test_healing_is_near_to_opencv_and_keeps_what_opencv_changes_outside(path: object) -> None:
    """OpenCV takes gradients of the photo within 3 pixels of the edge, and solves for the bounding rectangle."""
    photo = photo_of(path)
    strength = np.zeros(SIZE[::-1], np.uint8)
    strength[23:53, 23:63] = 255
    offset = Offset(60, 40)
    healed, _ = clone(photo, Stroke(strength, offset, heals=True), 255)
    copied, _ = clone(photo, Stroke(strength, offset, heals=False), 255)
    source = photo[19 + offset.y : 57 + offset.y, 19 + offset.x : 67 + offset.x]
    whole = np.full(source.shape[:2], 255, np.uint8)
    theirs = cv2.seamlessClone(source, photo, whole, (20 + 23, 20 + 18), cv2.NORMAL_CLONE)
    inner = np.s_[26:50, 26:60]
    differences = [np.abs(each[inner].astype(int) - theirs[inner]).mean() for each in (healed, copied)]
    assert differences[0] < 4
    assert differences[0] < 0.5 * differences[1] or differences[1] < 4
    assert np.array_equal(healed[strength == 0], photo[strength == 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("heals", [False, True])
def test_only_pixels_of_the_stroke_change_whatever_is_painted(dtype: type, heals: bool) -> None:
    rng = np.random.default_rng(7)
    for number in range(25):
        photo = photo_of(PHOTO_FILES[number % len(PHOTO_FILES)]).astype(dtype)
        if dtype == np.uint16:
            photo = photo * np.uint16(16) + rng.integers(0, 16, photo.shape).astype(np.uint16)
        if number % 3 == 0:
            photo = photo[..., 1]
        white = 255 if dtype == np.uint8 else 4095
        stroke = Stroke(a_stroke(rng), Offset(*(int(rng.integers(-200, 200)) for _ in SIZE)), heals)
        shown = rng.random(SIZE[::-1]) < 0.9 if number % 2 else None
        result, painted = clone(photo, stroke, white, shown)
        assert (result.dtype, result.shape) == (photo.dtype, photo.shape)
        assert np.array_equal(result[~painted], photo[~painted])
        assert not painted[stroke.strength == 0].any()
        assert shown is None or not painted[~shown].any()
        assert result.max() <= white


def test_clones_are_copies_and_what_has_no_source_stays() -> None:
    photo = photo_of(PHOTO_FILES[0]).astype(np.uint16) * 257
    strength = np.zeros(SIZE[::-1], np.uint8)
    strength[:40, :40] = 255
    result, painted = clone(photo, Stroke(strength, Offset(-10, 0), heals=False), 65535)
    assert np.array_equal(painted[:40, :40], np.broadcast_to(np.arange(40) >= 10, (40, 40)))
    assert np.array_equal(result[:40, 10:40], photo[:40, :30])
    away, none = clone(photo, Stroke(strength, Offset(5000, 0), heals=True), 65535)
    assert np.array_equal(away, photo)
    assert not none.any()


def test_a_soft_edge_is_mixed_by_its_strength() -> None:
    photo = np.zeros((20, 20), np.uint16)
    photo[:, 10:] = 50_000
    strength = np.zeros((20, 20), np.uint8)
    strength[5, 2:5] = (51, 128, 255)
    result, _ = clone(photo, Stroke(strength, Offset(10, 0), heals=False), 65535)
    assert result[5, 2:5].tolist() == [10_000, 25_098, 50_000]


def test_healing_takes_the_light_of_its_place() -> None:
    """On a slope of brightness, healed texture has the slope's level, and no step at its edge."""
    rng = np.random.default_rng(1)
    slope = np.add.outer(np.arange(120.0), np.zeros(160)) + 40
    photo = np.rint(slope + rng.normal(0, 3, slope.shape)).clip(0, 255).astype(np.uint8)
    healed, painted = clone(photo, Stroke(disc(80, 30, 20), Offset(0, 60), heals=True), 255)
    copied, _ = clone(photo, Stroke(disc(80, 30, 20), Offset(0, 60), heals=False), 255)
    assert abs(healed[painted].mean() - slope[painted].mean()) < 3
    assert copied[painted].mean() - slope[painted].mean() > 50
    assert 1.5 < (healed[painted] - slope[painted]).std() < 4.5


def a_case(seed: int) -> dict[str, Any]:
    """A stroke on a photo, a third of them partly transparent, and what becomes of it."""
    rng = np.random.default_rng(seed)
    photo, strength = photo_of(PHOTO_FILES[seed % len(PHOTO_FILES)]), a_stroke(rng)
    alpha = np.where(disc(80, 60, 40) > 0, 0, 255).astype(np.uint8) if seed % 3 == 0 else np.full_like(strength, 255)
    offset, heals = Offset(*(int(rng.integers(-90, 90)) for _ in SIZE)), seed % 4 > 0
    result, painted = clone(photo, Stroke(strength, offset, heals), 255, alpha > 0)
    pixels = {"photo": photo, "alpha": alpha, "strength": strength, "result": result}
    return {
        "name": f"stroke {seed}", "height": SIZE[1], "width": SIZE[0], "offset": offset._asdict(), "heals": heals,
        "painted": pack(painted * np.uint8(255)), **{name: pack(each) for name, each in pixels.items()},
    }  # fmt: skip


@needs_vitest
def test_typescript_clones_and_heals_as_python_does(tmp_path: Path) -> None:
    cases = [a_case(seed) for seed in range(24)]
    (tmp_path / "vectors.json").write_text(json.dumps(cases))
    printed = run_vitest("cloning.test.ts", "VITE_CLONE_VECTORS", tmp_path / "vectors.json")
    assert all(case["name"] in printed for case in cases), printed
