"""Properties of every fill, tested on random photos with holes at all borders and corners; thousands by `make soak`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import chain
from unittest.mock import patch

import numpy as np
import pytest

from onar import Inpainter
from onar.fills.patches import copy_patches
from onar.inference import rules
from onar.inference.backends import Frame
from onar.inference.texture import copy_texture, depth_of, plan_texture
from onar.inference.window_plan import Planner
from onar.inference.windows import Box
from tests.support.random_fills import Bytes, Holes, letters, random_hole, random_photo, random_size
from tests.support.web_vectors import Means, Recorded

Rng = np.random.Generator


def emptied(photo: Bytes, hole: Holes, level: int) -> Bytes:
    """Only holes that are filled do not show what was in them."""
    return np.where(hole[..., None], np.uint8(level), photo)


def plans_hold_every_hole_and_windows_stay_in_the_photo(rng: Rng) -> None:
    height, width = random_size(rng, 3000)
    hole = random_hole(height, width, rng)
    photo = Box(0, 0, height, width)
    planner = Planner(photo, int(rng.integers(1, 130)), int(rng.choice([1, 16, 64])))
    for plan in (planner.plan(hole), plan_texture(hole)):
        held = np.zeros_like(hole)
        for window in (window for windows in plan for window in windows):
            held[window.core.slices] = True
            assert window.shown == window.shown.joined(window.core).grown(0, photo)
        assert (held | ~hole).all()
    if hole.any():
        near = max(rules.TEXTURE_MARGIN, int(rules.TEXTURE_MARGIN_PER_DEPTH * min(depth_of(hole), max(hole.shape))))
        for window in (window for windows in plan_texture(hole) for window in windows):
            assert window.core.grown(near, photo).joined(window.shown) == window.core.grown(near, photo)
    assert all(window.shown.longer_side <= planner.limit for windows in planner.plan(hole) for window in windows)


def holes_far_away_do_not_change_where_texture_is_copied_from(rng: Rng) -> None:
    """Another place in a large photo and other holes in it, further away than any of them looks."""
    hole = random_hole(*random_size(rng, 300), rng) if rng.random() < 0.5 else letters(rng)
    height, width = ((max(hole.shape) + rules.TEXTURE_MARGIN) * rng.uniform(2, 4, 2)).astype(int).tolist()
    alone = np.zeros((height, 6 * width), bool)
    top, left = int(rng.integers(height - hole.shape[0])), int(rng.integers(width - hole.shape[1]))
    alone[top : top + hole.shape[0], left : left + hole.shape[1]] = hole
    together = alone.copy()
    together[:, 5 * width :] = random_hole(height, width, rng)
    windows, others = (set(chain(*plan_texture(holes))) for holes in (alone, together))
    assert windows == {window for window in others if window.core.left < width}


def networks_of_any_training_size_fill_every_hole(rng: Rng) -> None:
    height, width = random_size(rng, int(rng.choice([300, 1400])))
    photo, hole = random_photo(height, width, rng), random_hole(height, width, rng)
    training_size = int(rng.integers(1, 70) if rng.random() < 0.7 else rng.integers(70, 300))
    inpainter = Inpainter(Recorded(Means(), int(rng.choice([1, 16]))), training_size)
    options = {"strategy": str(rng.choice(["auto", "crop"])), "texture": "network"}
    filled = inpainter.complete(emptied(photo, hole, 0), hole, **options)
    assert (filled == inpainter.complete(emptied(photo, hole, 255), hole, **options)).all()
    assert (filled == photo)[~hole].all()


def copies_stay_in_the_range_of_what_is_known(rng: Rng) -> None:
    height, width = random_size(rng, 300)
    photo, hole = random_photo(height, width, rng), random_hole(height, width, rng)
    start = np.where(hole[..., None], random_photo(height, width, rng), photo)
    radius, seed = int(rng.integers(1, 6)), int(rng.integers(9))
    filled = copy_patches(start, hole, radius, seed)
    assert (filled == photo)[~hole].all()
    if not hole.all():
        known = photo[~hole]
        assert (filled == filled.clip(known.min(axis=0), known.max(axis=0))).all()


def copies_of_very_deep_holes_get_detail_at_every_scale(rng: Rng) -> None:
    """Holes count as very deep from a few pixels on, so that small photos are halved as often as large ones."""
    height, width = random_size(rng, 300)
    photo, hole = random_photo(height, width, rng), random_hole(height, width, rng)
    deep = {"TEXTURE_DEPTH": float(rng.integers(3, 20)), "TEXTURE_MIN_SIDE": 1}
    with patch.multiple(rules, **deep):
        copies = copy_texture(photo, hole, 0)
        others = copy_texture(photo, hole, 0, parallel=False)
    for copy, other in zip(copies, others, strict=True):
        assert copy.shape == photo.shape
        assert (copy == other)[hole].all()


@cache
def bundled() -> Inpainter:
    """The bundled weights, and a blend that checks what it gets and gives."""
    inpainter = Inpainter.load(device="cpu", threads=1)
    blend = inpainter.blend

    def checked(led: Frame, copied: Frame, coarse: Frame, known: Frame) -> Frame:
        for frame in (led, copied, coarse):
            assert ((frame >= 0) & (frame <= 1)).all()
        fill = blend(led, copied, coarse, known)
        assert np.isfinite(fill).all()
        return fill

    inpainter.blend = checked  # type: ignore[assignment]
    return inpainter


def the_bundled_weights_and_copied_texture_fill_every_hole_and_nothing_else(rng: Rng) -> None:
    height, width = random_size(rng, 300)
    photo, hole = random_photo(height, width, rng), random_hole(height, width, rng)
    filled = bundled().complete(emptied(photo, hole, 0), hole, texture="patches")
    assert (filled == photo)[~hole].all()
    assert (filled == bundled().complete(emptied(photo, hole, 255), hole, texture="patches")).all()


PROPERTIES: dict[Callable[[Rng], None], int] = {
    plans_hold_every_hole_and_windows_stay_in_the_photo: 150,
    holes_far_away_do_not_change_where_texture_is_copied_from: 60,
    networks_of_any_training_size_fill_every_hole: 100,
    copies_stay_in_the_range_of_what_is_known: 120,
    copies_of_very_deep_holes_get_detail_at_every_scale: 80,
    the_bundled_weights_and_copied_texture_fill_every_hole_and_nothing_else: 30,
}
"""The properties, and the number of random cases for each."""
SOAK = 2000


def check(holds: Callable[[Rng], None], cases: range) -> None:
    for seed in cases:
        try:
            holds(np.random.default_rng(seed))
        except Exception as error:
            error.add_note(f"{holds.__name__}: seed {seed}")
            raise


@pytest.mark.parametrize("holds", PROPERTIES, ids=lambda holds: holds.__name__)
def test_of_holes_at_all_borders(holds: Callable[[Rng], None]) -> None:
    check(holds, range(PROPERTIES[holds]))


@pytest.mark.soak
@pytest.mark.parametrize("holds", PROPERTIES, ids=lambda holds: holds.__name__)
def test_of_thousands_of_holes_at_all_borders(holds: Callable[[Rng], None]) -> None:
    check(holds, range(SOAK))
