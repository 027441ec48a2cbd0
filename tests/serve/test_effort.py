"""Estimates of the time to fill holes."""

import time

import numpy as np
import pytest

from onar import Inpainter
from onar.serve.effort import cpu_seconds


def square(side: int, photo: int = 2000) -> np.ndarray:
    hole = np.zeros((photo, photo), bool)
    hole[100 : 100 + side, 100 : 100 + side] = True
    return hole


def test_no_hole_and_thin_ones_cost_nothing() -> None:
    assert (cpu_seconds(square(0), True), cpu_seconds(square(6), True)) == (0, 0)


def test_copied_texture_costs_most_and_large_holes_cost_more_than_small_ones() -> None:
    costs = [cpu_seconds(square(side), True) for side in (40, 100, 200, 400, 800, 1600)]
    assert costs == sorted(costs)
    assert all(cpu_seconds(square(side), False) < cpu_seconds(square(side), True) for side in (40, 400, 1600))


def test_many_holes_cost_as_much_as_each_of_them_alone() -> None:
    many = np.zeros((2000, 2000), bool)
    for top in range(100, 1900, 300):
        many[top : top + 100, 100:200] = True
    assert cpu_seconds(many, True) == pytest.approx(6 * cpu_seconds(square(100), True))


def test_subsampling_a_large_photo_gives_the_same_estimate() -> None:
    assert cpu_seconds(square(3600, 4000), True) == pytest.approx(4 * cpu_seconds(square(1800), True), rel=0.2)


def test_a_photo_that_is_all_hole_has_an_estimate() -> None:
    assert cpu_seconds(np.ones((300, 300), bool), True) > 0


def test_the_estimate_is_near_the_time_it_takes() -> None:
    hole, inpainter = square(300, 700), Inpainter.load(device="cpu")
    photo = np.random.default_rng(0).integers(0, 256, (700, 700, 3), dtype=np.uint8)
    inpainter(photo[:64, :64], np.eye(64, dtype=bool))
    start = time.process_time()
    inpainter(photo, hole)
    taken = time.process_time() - start
    assert taken / 6 < cpu_seconds(hole, True) < 6 * taken
