"""Progress is the share of what is to be done: it grows with the work, and ends at 1; the work can be ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from onar import Inpainter
from onar.imaging.levels import Pixels
from onar.inference import canvas, rules, steps, texture
from onar.inference.backends import Backend, Frame, PyramidBackend
from onar.masks.holes import Holes
from tests.support.random_fills import random_hole, random_photo, random_size

MAX_APART = 0.25
"""Largest difference between the reported share and that of the work: at half of it, from 25 to 75 %."""


class Work(Backend):
    """A backend, and the cost of what was done by it and beside it."""

    device = "cpu"

    def __init__(self, draws: bool, patch: pytest.MonkeyPatch) -> None:
        self.draws, self.done = draws, 0.0
        patch.setattr(texture, "copy_patches", self.counting(texture.copy_patches, _cost_of_copy))
        patch.setattr(texture, "blend_in_tiles", self.counting(texture.blend_in_tiles, _cost_of_blend))
        patch.setattr(rules, "COARSE_RADIUS", 3)  # which no fine copy has, so that they can be distinguished
        patch.setattr(texture, "restore_detail", self.counting(texture.restore_detail, _cost_of_detail))
        patch.setattr(canvas, "fill_frame", self.counting(canvas.fill_frame, lambda *_: steps.TILE_COST))

    def __call__(self, photo: Frame, known: Frame, /) -> Frame:
        """See `Backend`."""
        self.done += known.size
        return PyramidBackend()(photo, known)

    def counting(self, function: Callable[..., Any], cost: Callable[..., float]) -> Callable[..., Any]:
        """The function, whose cost is counted."""

        def count(*arguments: Any) -> Any:
            self.done += cost(*arguments)
            return function(*arguments)

        return count


def _cost_of_copy(_: Pixels, hole: Holes, radius: int, seed: int) -> float:
    half_scale = radius == rules.COARSE_RADIUS  # a quarter of the pixels
    return float(np.count_nonzero(hole)) * (4 * texture.COARSE_COST if half_scale else texture.FINE_COST)


def _cost_of_blend(*inputs: Any) -> float:
    return texture.BLEND_COST * inputs[-1].size


def _cost_of_detail(_: Pixels, hole: Holes, *__: Any) -> float:
    return texture.DETAIL_COST * np.count_nonzero(hole)


@pytest.mark.parametrize("seed", range(40))
def test_the_share_grows_with_the_work_and_ends_at_1(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    height, width = random_size(rng, 1400 if seed % 3 else 300)
    photo, hole = random_photo(height, width, rng), random_hole(height, width, rng)
    work, reports = Work(seed % 4 == 0, monkeypatch), list[tuple[float, float]]()
    inpainter = Inpainter(work, int(rng.choice([32, 64])), threads=1)
    strategy, copies = str(rng.choice(["auto", "crop"])), height * width < 90_000
    inpainter.fill(
        photo.copy(),
        hole,
        strategy=strategy,
        texture="patches" if copies else "network",
        on_progress=lambda share: reports.append((share, work.done)),
    )
    shares = [share for share, _ in reports]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    if work.done:
        largest = max(np.diff([0.0, *(done for _, done in reports)])) / work.done
        for share, done in reports:
            assert abs(share - done / work.done) <= max(MAX_APART, largest / 2), (share, done / work.done)


class Stop(Exception):
    """Ends the work."""


def stop_at(limit: float) -> Callable[[float], None]:
    def report(share: float) -> None:
        if share >= limit:
            raise Stop

    return report


def test_work_ends_with_what_a_report_raises_and_the_next_is_as_ever() -> None:
    photo, hole = random_photo(200, 260, np.random.default_rng(0)), np.zeros((200, 260), bool)
    hole[40:120, 50:150] = True
    hole[5:8, 5:200] = True
    inpainter, shares = Inpainter(PyramidBackend(), 32, threads=1), list[float]()
    whole = inpainter.fill(photo.copy(), hole, texture="patches", on_progress=shares.append)
    for share in shares[:: len(shares) // 4]:
        with pytest.raises(Stop):
            inpainter.fill(photo.copy(), hole, texture="patches", on_progress=stop_at(share))
    assert (inpainter.fill(photo.copy(), hole, texture="patches") == whole).all()


def test_a_long_hole_is_copied_in_turns() -> None:
    photo, hole = random_photo(40, 2600, np.random.default_rng(0)), np.zeros((40, 2600), bool)
    hole[13:27, 50:2550] = True
    assert len(texture.plan_texture(hole)) > 1
    shares = list[float]()
    filled = Inpainter(PyramidBackend(), 32, threads=1).fill(photo, hole, texture="patches", on_progress=shares.append)
    assert filled.shape == photo.shape
    assert shares == sorted(shares)
    assert len(shares) > 6
    assert shares[-1] == 1


def test_holes_far_apart_are_filled_as_one_after_the_other() -> None:
    photo = random_photo(300, 2600, np.random.default_rng(1))
    first, second = np.zeros((2, 300, 2600), bool)
    first[100:150, 100:170], second[90:220, 2350:2470], second[10:13, 2000:2500] = True, True, True
    inpainter = Inpainter(PyramidBackend(), 32, threads=1)
    together = inpainter.fill(photo.copy(), first | second, texture="patches")
    after = inpainter.fill(inpainter.fill(photo.copy(), first, texture="patches"), second, texture="patches")
    assert (together == after).all()
