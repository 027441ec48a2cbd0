"""Precision, recall and F1 at a tolerance, and the black-hat and top-hat baseline."""

from __future__ import annotations

import numpy as np
import pytest

from onar.masks.holes import near
from onar.metrics.finding import HAT_SIDE, TOLERANCE, Found, count_found, hat_response


def random_mask(seed: int, share: float = 0.05) -> np.ndarray:
    return np.random.default_rng(seed).random((40, 60)) < share


def test_the_truth_itself_finds_all_and_nothing_wrong() -> None:
    found = count_found(random_mask(0), random_mask(0))
    assert (found.precision, found.recall, found.f1) == (1, 1, 1)


@pytest.mark.parametrize("shift", range(6))
def test_a_line_counts_up_to_the_tolerance(shift: int) -> None:
    truth = np.zeros((40, 60), bool)
    truth[:, 20] = True
    found = count_found(np.roll(truth, shift, 1), truth)
    assert found.f1 == float(shift <= TOLERANCE)


def test_marking_nothing_is_never_wrong_and_finds_nothing() -> None:
    found = count_found(np.zeros((40, 60), bool), random_mask(1))
    assert (found.precision, found.recall, found.f1) == (1, 0, 0)


def test_marking_everything_finds_all_with_the_precision_of_the_share() -> None:
    truth = random_mask(2, 0.002)
    found = count_found(np.ones_like(truth), truth)
    assert found.recall == 1
    assert found.precision == near(truth, TOLERANCE).mean()


def test_a_photo_without_damage_counts_its_marks_as_false() -> None:
    found = count_found(random_mask(3), np.zeros((40, 60), bool))
    assert found.right == found.true == found.f1 == 0
    assert found.marked == random_mask(3).sum()


def test_counts_add_up_over_photos() -> None:
    parts = [count_found(random_mask(seed), random_mask(seed + 10)) for seed in range(4)]
    far_apart = ([np.pad(random_mask(seed + add), 5) for seed in range(4)] for add in (0, 10))
    together = count_found(*map(np.concatenate, far_apart))
    assert sum(parts, Found()) == together


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("width", [1, 3, 8])
def test_hats_respond_to_bright_and_dark_lines_and_to_nothing_wide_or_flat(level: int, width: int) -> None:
    photo = np.full((60, 80, 3), 128, np.uint8)
    assert not hat_response(photo).any()
    photo[:, 30 : 30 + width] = level
    response = hat_response(photo)
    assert (response[:, 30 : 30 + width] >= 127).all()
    photo[:, 30 : 30 + 3 * HAT_SIDE] = level
    assert not hat_response(photo)[:, 30 : 30 + 3 * HAT_SIDE].any()
