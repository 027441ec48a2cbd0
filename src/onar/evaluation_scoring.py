"""Filling and scoring: every method on every pair of photo and holes.

Every method gets the same photos with the same holes, emptied; of what it returns only the hole pixels are kept. So
no method can see what it should find, or gain from touching known pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from onar.errors import OnarError, UsageError
from onar.evaluation_pairs import MasksHash, Pair, Pairs, group_of
from onar.evaluation_scores import Example, ImageScores, Scores, SetDistances
from onar.images import Pixels
from onar.masks import HOLE, hole_share
from onar.metrics import score
from onar.perceptual import (
    DISTANCES,
    SMALLEST_SIDE,
    LearnedDistance,
    PooledFeatures,
    frechet_distance,
    kernel_distance,
    pooled_features,
)

Method: TypeAlias = Callable[[Pixels, Pixels], Pixels]
"""(photo uint8 H×W×3 with its holes emptied, mask uint8 H×W with 255 = hole) -> completed photo, uint8 H×W×3."""

EMPTY = 128
"""Grey that hole pixels have when a method gets the photo."""


@dataclass(frozen=True)
class Judges:
    """The networks that judge, and why some could not be had."""

    distances: dict[str, LearnedDistance]
    unavailable: dict[str, str]
    features: PooledFeatures | None
    device: torch.device


def load_judges(features: str | None, device: torch.device) -> Judges:
    """Load the learned distances, and the network of `features` if one is named; raises `OnarError` without that."""
    pooled = pooled_features(features).to(device) if features else None
    distances: dict[str, LearnedDistance] = {}
    unavailable: dict[str, str] = {}
    for name, load in DISTANCES.items():
        try:
            distances[name] = load().to(device)
        except OnarError as error:
            unavailable[name] = str(error)
    return Judges(distances, unavailable, pooled, device)


# ---------------------------------------------------------------- scoring


@dataclass(frozen=True)
class Scored:
    """What scoring all pairs gave.

    Attributes:
        rows: by the index of the pair.
        masks_hash: of the holes in the order of the rows.
        real: features of the photo of each row, 1×C.
        fake: features of each method's composite, 1×C.
    """

    rows: dict[int, ImageScores]
    masks_hash: MasksHash
    real: list[Tensor]
    fake: dict[str, list[Tensor]]


def score_all(pairs: Pairs, fills: Mapping[str, Method], judges: Judges) -> Scored:
    """Score every method on every pair, with a progress bar on stderr; raises `OnarError` when nothing is left."""
    scored = Scored({}, MasksHash(), [], {name: [] for name in fills})
    with tqdm(total=len(pairs) * len(fills), unit="fill", disable=None, dynamic_ncols=True) as bar:
        for index in range(len(pairs)):
            pair = pairs[index]
            if pair is None:
                bar.update(len(fills))
                continue
            composites = {}
            for name, fill in fills.items():
                bar.set_postfix_str(name)
                composites[name] = fill_holes(pair, name, fill)
                bar.update()
            _score_pair(index, pair, composites, judges, scored)
    if not scored.rows:
        raise OnarError(f"nothing could be scored: {next(iter(pairs.skipped.values()))}")
    return scored


def fill_holes(pair: Pair, name: str, fill: Method) -> Pixels:
    """The composite of one method, uint8 H×W×3; known pixels are the photo's own.

    Raises:
        UsageError: the method returned something else than a photo of that size.
    """
    hole = pair.hole[..., None]
    completed = fill(np.where(hole, np.uint8(EMPTY), pair.photo), pair.hole.astype(np.uint8) * HOLE)
    fits = isinstance(completed, np.ndarray) and completed.shape == pair.photo.shape and completed.dtype == np.uint8
    if not fits:
        raise UsageError(f"the method {name!r} must return a uint8 array of the photo's shape {pair.photo.shape}")
    return np.where(hole, completed, pair.photo)


def _score_pair(index: int, pair: Pair, composites: dict[str, Pixels], judges: Judges, scored: Scored) -> None:
    """Score the composites of one photo, one after the other: photos may be large."""
    photo, known = to_tensor(pair.photo), torch.from_numpy(~pair.hole)[None, None].float()
    scores: Scores = {}
    for method, pixels in composites.items():
        composite = to_tensor(pixels)
        scores[method] = _score(composite, photo, known, judges)
        if judges.features:
            scored.fake[method].append(judges.features(composite.to(judges.device)).cpu())
    if judges.features:
        scored.real.append(judges.features(photo.to(judges.device)).cpu())
    share, group = hole_share(pair.hole), group_of(pair.hole)
    height, width = pair.hole.shape
    row = ImageScores(pair.photo_name, pair.mask_name, height, width, share, group.range, group.border, scores)
    scored.rows[index] = row
    scored.masks_hash.add(pair.hole)


def _score(composite: Tensor, photo: Tensor, known: Tensor, judges: Judges) -> dict[str, float | None]:
    """Every metric of one composite, 1×3×H×W; None where there is no score."""
    values: dict[str, float | None] = {name: float(value) for name, value in score(composite, photo, known).items()}
    large_enough = min(photo.shape[-2:]) >= SMALLEST_SIDE
    for name in DISTANCES:
        distance = judges.distances.get(name) if large_enough else None
        pair = composite.to(judges.device), photo.to(judges.device)
        values[name] = float(distance(*pair)) if distance else None
    return values


def to_tensor(picture: Pixels) -> Tensor:
    """Turn uint8 H×W×3 into float 1×3×H×W in [0, 1]."""
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255


def set_distances(features: str | None, scored: Scored) -> SetDistances | None:
    """Compare the composites of each method with the photos, as sets; None when no network was named."""
    if features is None:
        return None
    real, scores = torch.cat(scored.real), {}
    for method, vectors in scored.fake.items():
        fake = torch.cat(vectors)
        enough = len(real) > 1
        scores[method] = {
            "fid": frechet_distance(real, fake) if enough else None,
            "kid": kernel_distance(real, fake) if enough else None,
        }
    return SetDistances(features, len(real), scores)


# ---------------------------------------------------------------- examples


def choose_examples(pairs: Pairs, fills: Mapping[str, Method], rows: dict[int, ImageScores]) -> tuple[Example, ...]:
    """The pairs that the first method filled best, in the middle and worst, completed once more."""
    asked = next(iter(fills))

    def quality(index: int) -> float:
        return rows[index].scores[asked]["psnr_hole"] or 0.0

    ranked = sorted(rows, key=quality, reverse=True)
    chosen = {"best": ranked[0], "median": ranked[len(ranked) // 2], "worst": ranked[-1]}
    return tuple(_example(title, pairs, index, fills, rows[index]) for title, index in chosen.items())


def _example(title: str, pairs: Pairs, index: int, fills: Mapping[str, Method], row: ImageScores) -> Example:
    pair = pairs[index]
    if pair is None:
        raise OnarError(f"{row.mask} changed during the evaluation")
    masked = np.where(pair.hole[..., None], np.uint8(255), pair.photo)
    completed = {name: fill_holes(pair, name, fill) for name, fill in fills.items()}
    return Example(title, row, masked, pair.photo, completed)
