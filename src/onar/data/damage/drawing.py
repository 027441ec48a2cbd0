"""Damage on a photo: which marks there are, their colours, and the truth of where they can be seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onar.data.damage.ageing import RgbPhoto, age, scan
from onar.data.damage.kinds import CHANNELS, DUST, SCRATCHES, TRAINED, DamageKind
from onar.data.damage.marks import Mark, Plane, between, paint

VISIBLE = 16
"""Levels of 255 by which damage changes some channel of a pixel that is marked: less is as faint as noise."""

CROP = 192  # `DamageKind.most` is for crops of that side
MAX_FACTOR = 6.0
MIN_CONTRAST = 60.0  # levels between a mark and what it lies on, in most cases
MIN_OPACITY = 0.4
KINDS_AT_MOST = 4
ONE_CHANNEL = 0.35  # share of photos with scratches alone or dust alone


class Damaged(NamedTuple):
    """A photo and where it is damaged."""

    photo: RgbPhoto
    """uint8 H×W×3."""
    truth: NDArray[np.bool_]
    """2×H×W in the order of `CHANNELS`; a pixel may be in both."""


def damage_photo(
    photo: RgbPhoto, rng: np.random.Generator, kinds: Mapping[str, DamageKind] = TRAINED, clean_share: float = 0.0
) -> Damaged:
    """Make an old, damaged photo's scan of any photo; with the chance `clean_share` it is an undamaged one's."""
    aged = age(photo, rng)
    if rng.random() < clean_share:
        return Damaged(scan(aged, rng), np.zeros((len(CHANNELS), *photo.shape[:2]), bool))
    damaged, truth = draw_damage(aged, rng, kinds)
    return Damaged(scan(damaged, rng), truth)


def draw_damage(photo: RgbPhoto, rng: np.random.Generator, kinds: Mapping[str, DamageKind] = TRAINED) -> Damaged:
    """Draw marks of some kinds onto a photo, uint8 H×W×3, of any size.

    The truth is all pixels that differ by `VISIBLE` or more.
    """
    height, width = photo.shape[:2]
    damaged, original = photo.astype(np.float32), photo.astype(np.float32)
    truth = np.zeros((len(CHANNELS), height, width), bool)
    prefers_bright = rng.random()
    for kind in _draw_kinds(kinds, rng):
        for _ in range(_count(kind, height, width, rng)):
            mark = kind.draw(height, width, rng)
            colour = _draw_colour(damaged, mark, prefers_bright, rng)
            opacity = MIN_OPACITY + (1 - MIN_OPACITY) * rng.random() ** 0.7
            paint(damaged, mark, colour, opacity)
            changed = _largest(np.abs(damaged[mark.place] - original[mark.place])) >= VISIBLE - 0.5
            touched = mark.coverage > 0 if mark.shade is None else (mark.coverage > 0) | (mark.shade != 0)
            truth[kind.channel][mark.place] |= changed & touched
    result = np.rint(damaged).astype(np.uint8)
    difference = _largest(np.abs(result.astype(np.int16) - photo))
    return Damaged(result, truth & (difference >= VISIBLE))


def _largest(differences: NDArray[Any]) -> NDArray[Any]:
    """The maximum over three channels, several times as fast as numpy's own over a short axis."""
    red, green, blue = (differences[..., channel] for channel in range(3))
    return np.asarray(np.maximum(np.maximum(red, green), blue))


def _draw_kinds(kinds: Mapping[str, DamageKind], rng: np.random.Generator) -> list[DamageKind]:
    """One to `KINDS_AT_MOST` kinds, in some photos of one channel only."""
    offered = list(kinds.values())
    if rng.random() < ONE_CHANNEL:
        channel = DUST if rng.random() < 0.5 else SCRATCHES
        offered = [kind for kind in offered if kind.channel == channel] or offered
    count = int(rng.integers(1, 1 + min(KINDS_AT_MOST, len(offered))))
    return [offered[index] for index in rng.permutation(len(offered))[:count]]


def _count(kind: DamageKind, height: int, width: int, rng: np.random.Generator) -> int:
    """How many marks of a kind: more of them on larger photos, where there can be more than one."""
    factor = 1.0 if kind.most == 1 else min(MAX_FACTOR, max(1.0, (height * width) ** 0.5 / CROP))
    return int(between(rng, 1, 1 + kind.most * factor))


def _draw_colour(photo: Plane, mark: Mark, prefers_bright: float, rng: np.random.Generator) -> Plane:
    """A colour, bright or dark, tinted or not, that mostly differs from what it lies on."""
    is_bright = rng.random() < prefers_bright
    rows, columns = (slice(part.start, part.stop, 4) for part in mark.place)
    weights = mark.coverage[::4, ::4] + np.float32(1e-3)
    beneath = float((photo[rows, columns].mean(-1) * weights).sum() / weights.sum())
    level = rng.uniform(180, 255) if is_bright else rng.uniform(0, 80)
    if abs(level - beneath) < MIN_CONTRAST and rng.random() < 0.9:
        level = rng.uniform(180, 255) if beneath < 128 else rng.uniform(0, 80)
    tint = rng.normal(0, 25, 3) if rng.random() < 0.3 else np.zeros(3)
    return np.asarray((level + tint).clip(0, 255), np.float32)
