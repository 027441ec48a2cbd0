"""Estimates of the time to fill holes."""

import time
from pathlib import Path

import numpy as np
import pytest

from onar import Inpainter
from onar.inference.backends import Backend, Frame
from onar.inference.drawn_pixels import drawn_pixels
from onar.serve.effort import cpu_seconds, drawing_seconds
from tests.support.public_networks import write_network
from tests.support.random_fills import random_hole, random_photo, random_size


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


# ---------------------------------------------------------------- networks that draw


class Counting(Backend):
    """A network that draws, and counts the pixels that it is given."""

    device = "cpu"
    draws = True

    def __init__(self, step: int, max_side: int | None) -> None:
        self.step, self.max_side, self.pixels = step, max_side, 0

    def __call__(self, photo: Frame, known: Frame, /) -> Frame:
        """See `Backend`."""
        count, height, width = known.shape
        self.pixels += count * -(-height // self.step) * -(-width // self.step) * self.step**2
        return photo


@pytest.mark.parametrize("seed", range(40))
def test_the_pixels_that_a_network_is_given_are_foreseen(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = random_size(rng, int(rng.choice([100, 700])))
    hole = random_hole(height, width, rng)
    step, max_side = [(64, 64), (8, None), (128, 128)][seed % 3]
    backend = Counting(step, max_side)
    strategy = ("auto", "crop", "whole")[seed % 5 % 3]
    Inpainter(backend, max_side or 96).complete(random_photo(height, width, rng), hole, strategy=strategy)
    assert drawn_pixels(hole, backend, max_side or 96, strategy) == backend.pixels


def test_a_window_of_a_network_of_another_program_costs_as_much_for_a_small_hole(tmp_path: Path) -> None:
    network = Inpainter.load(write_network(tmp_path / "lama.onnx", "lama"), "cpu", network="lama")
    small, none = drawing_seconds(network, square(20)), drawing_seconds(network, square(0))
    assert (none, small) == (0, drawing_seconds(network, square(200)))
    assert small > 5
    assert drawing_seconds(Inpainter.load("pyramid"), square(200)) == 0
