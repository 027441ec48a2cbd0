"""Damage drawn onto photos: its truth is what can be seen, at any size, and a seed gives the same again."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from onar.data.damage import curves, reserved
from onar.data.damage.ageing import age, scan
from onar.data.damage.drawing import VISIBLE, Damaged, damage_photo, draw_damage
from onar.data.damage.kinds import CHANNELS, DUST, KINDS, RESERVED, SCRATCHES, TRAINED
from onar.data.damage.lines import MAX_WIDTH
from onar.data.damage.marks import Mark, Points, paint

SIZES = [(1, 1), (1, 300), (300, 1), (7, 5), (64, 97), (192, 192), (333, 500)]


def photo_of(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Colours that change smoothly, with noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 4, 3), np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR).astype(int)
    return (smooth + rng.integers(-6, 7, (height, width, 3))).clip(0, 255).astype(np.uint8)


def seen(photo: np.ndarray, damaged: Damaged) -> np.ndarray:
    return np.abs(damaged.photo.astype(int) - photo).max(-1)


# ---------------------------------------------------------------- the truth
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_truth_is_exactly_what_changed_by_more_than_noise(size: tuple[int, int]) -> None:
    for seed in range(12):
        photo = photo_of(*size, seed)
        damaged = draw_damage(photo, np.random.default_rng(seed), KINDS)
        assert damaged.photo.shape == photo.shape
        assert damaged.photo.dtype == np.uint8
        assert damaged.truth.shape == (len(CHANNELS), *size)
        assert np.array_equal(damaged.truth.any(0), seen(photo, damaged) >= VISIBLE)


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_seen_in_its_channel_alone_and_leaves_most_of_the_photo(name: str) -> None:
    kind, shares = KINDS[name], []
    for seed in range(24):
        photo = photo_of(192, 192, seed)
        damaged = draw_damage(photo, np.random.default_rng(seed), {name: kind})
        shares.append(damaged.truth[kind.channel].mean())
        assert not damaged.truth[1 - kind.channel].any()
    assert np.mean(np.array(shares) > 0) >= 0.75
    assert np.median(shares) < 0.15


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_mark_lies_inside_the_photo_and_covers_from_0_to_1(name: str, size: tuple[int, int]) -> None:
    for seed in range(8):
        mark = KINDS[name].draw(*size, np.random.default_rng(seed))
        assert mark.coverage.dtype == np.float32
        assert min(mark.coverage.shape) > 0
        assert 0 <= mark.coverage.min() <= mark.coverage.max() <= 1
        assert min(mark.top, mark.left) >= 0
        assert np.zeros(size)[mark.place].shape == mark.coverage.shape
        assert mark.shade is None or mark.shade.shape == mark.coverage.shape


def test_scratches_are_lines_of_up_to_8_pixels() -> None:
    widths = []
    for seed in range(120):
        mark = TRAINED["hair" if seed % 2 else "fibre"].draw(400, 400, np.random.default_rng(seed))
        covered = np.pad(mark.coverage > 0.5, 1).astype(np.uint8)
        widths.append(2 * cv2.distanceTransform(covered, cv2.DIST_L2, 5).max())
    assert np.median(widths) <= 4
    assert max(widths) <= 2 * MAX_WIDTH  # where a line crosses itself


def test_marks_are_bright_and_dark_opaque_and_half_transparent() -> None:
    photo, changes = np.full((192, 192, 3), 128, np.uint8), []
    for seed in range(200):
        damaged = draw_damage(photo, np.random.default_rng(seed), {"scratch": TRAINED["scratch"]})
        changes.append((damaged.photo.astype(int) - 128)[damaged.truth[SCRATCHES]].mean(-1))
    levels = np.array([np.median(one) for one in changes if len(one)])
    assert 0.25 < np.mean(levels > 0) < 0.75
    assert np.abs(levels).min() < 45
    assert np.abs(levels).max() > 100


def test_paint_of_no_opacity_changes_nothing_and_of_full_opacity_is_the_colour() -> None:
    photo = photo_of(9, 9).astype(np.float32)
    mark = Mark(2, 3, np.ones((4, 5), np.float32))
    colour = np.array([10, 20, 30], np.float32)
    before = photo.copy()
    paint(photo, mark, colour, 0.0)
    assert np.array_equal(photo, before)
    paint(photo, mark, colour, 1.0)
    assert np.allclose(photo[mark.place], colour)
    photo[mark.place] = before[mark.place]
    assert np.array_equal(photo, before)


# ---------------------------------------------------------------- what is drawn when
def test_no_training_draws_what_is_reserved_and_both_sets_have_both_channels() -> None:
    assert not TRAINED.keys() & RESERVED.keys()
    assert TRAINED | RESERVED == KINDS
    for kinds in (TRAINED, RESERVED):
        assert {kind.channel for kind in kinds.values()} == {SCRATCHES, DUST}
    assert {kind.draw.__module__ for kind in RESERVED.values()} == {reserved.__name__}
    assert reserved.__name__ not in {kind.draw.__module__ for kind in TRAINED.values()}


def test_the_share_of_undamaged_photos_is_kept_and_they_are_aged_all_the_same() -> None:
    photo, clean, changed = photo_of(64, 64), 0, 0
    for seed in range(200):
        made = damage_photo(photo, np.random.default_rng(seed), clean_share=0.4)
        if not made.truth.any():
            clean += 1
            changed += not np.array_equal(made.photo, photo)
    assert 60 <= clean <= 110  # a few marks cannot be seen
    assert changed > 0.7 * clean


def test_a_larger_photo_has_more_marks() -> None:
    def pixels(side: int) -> float:
        photo = photo_of(side, side)
        seeds = range(30)
        return float(np.mean([draw_damage(photo, np.random.default_rng(seed)).truth.sum() for seed in seeds]))

    assert pixels(384) > 1.5 * pixels(192)


def test_a_seed_gives_the_same_damage_again() -> None:
    photo = photo_of(96, 120)
    one, two, other = (damage_photo(photo, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(one.photo, two.photo)
    assert np.array_equal(one.truth, two.truth)
    assert not np.array_equal(one.photo, other.photo)


@pytest.mark.parametrize("change", [age, scan])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_ageing_and_scanning_keep_size_and_photo(change: object, size: tuple[int, int]) -> None:
    for seed in range(10):
        photo = photo_of(*size)
        before = photo.copy()
        aged = change(photo, np.random.default_rng(seed))  # type: ignore[operator]
        assert (aged.shape, aged.dtype) == (photo.shape, np.uint8)
        assert np.array_equal(photo, before)


def test_some_photos_become_grey_some_sepia_and_most_keep_colours() -> None:
    photo, kinds = photo_of(48, 48), []
    for seed in range(150):
        aged = age(photo, np.random.default_rng(seed)).astype(float)
        spread = (aged.max(-1) - aged.min(-1)).mean()
        warm = (aged[..., 0] - aged[..., 2]).mean()
        kinds.append("grey" if spread < 3 else "sepia" if spread < 75 and warm > 8 else "colour")
    assert kinds.count("grey") > 15
    assert kinds.count("colour") > 40


# ---------------------------------------------------------------- courses
@pytest.mark.parametrize("course", [curves.straight, curves.bezier, curves.wandering, curves.jagged])
@pytest.mark.parametrize("length", [1, 8, 60, 600])
def test_a_course_is_about_as_long_as_asked_and_has_no_leaps(course: object, length: float) -> None:
    for seed in range(10):
        points: Points = course(length, np.random.default_rng(seed))  # type: ignore[operator]
        assert len(points) >= 4
        steps = np.hypot(*np.diff(points, axis=0).T)
        assert np.isfinite(points).all()
        assert steps.sum() < 6 * length + 6
        assert steps.max() < 0.5 * length + 3
