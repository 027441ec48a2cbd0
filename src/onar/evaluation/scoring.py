"""Filling and scoring: every method on every pair of photo and holes.

Every method gets the same photos with the same holes, filled with grey, and only the hole pixels of its result are
kept. So no method sees the ground truth, or gains from changing known pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from onar.errors import OnarError, UsageError
from onar.evaluation.means import ImageScores, ScoresByMethod
from onar.evaluation.methods import Methods
from onar.evaluation.pairs import MasksHash, Pair, Pairs, group_of
from onar.evaluation.report import Example, SetDistances
from onar.fills.pyramid import Frame
from onar.imaging.images import EightBits
from onar.masks.holes import hole_share
from onar.masks.shapes import HOLE
from onar.metrics.baselines import Fill
from onar.metrics.table import METRICS, learned_metrics, score
from onar.system.console import progress_bar
from onar.system.devices import choose_device

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from onar.metrics.learned_distances import LearnedDistance
    from onar.metrics.set_features import SetFeatures


@dataclass(frozen=True)
class Judges:
    """The networks of learned metrics, and the reasons why some could not be loaded."""

    distances: dict[str, LearnedDistance]
    unavailable: dict[str, str]
    features: SetFeatures | None
    no_features: str | None  # reason why the network of `features` could not be loaded
    device: torch.device | None  # their device; None without torch


def load_judges(features: str | None, features_weights: Path | None, device: str) -> Judges:
    """Load the learned distances, and the network of `features` if one is named.

    Raises:
        UsageError: there is no such network or device.
        OnarError: `features_weights` cannot be used.
    """
    if features is None and find_spec("torch") is None:
        return Judges({}, dict.fromkeys(learned_metrics(), 'pip install "onar[train,offline]"'), None, None, None)
    place = choose_device(device)
    network, no_network = _load_features(features, features_weights, place) if features else (None, None)
    distances: dict[str, LearnedDistance] = {}
    unavailable: dict[str, str] = {}
    for name, metric in METRICS.items():
        try:
            if metric.load:
                distances[name] = metric.load().to(place)
        except OnarError as error:
            unavailable[name] = str(error)
    return Judges(distances, unavailable, network, no_network, place)


def _load_features(name: str, weights: Path | None, place: torch.device) -> tuple[SetFeatures | None, str | None]:
    """A network, or the reason why there is none; weights that were given must load."""
    from onar.metrics.set_features import load_set_features

    try:
        return load_set_features(name, weights).to(place), None
    except UsageError:
        raise
    except OnarError as error:
        if weights:
            raise
        return None, str(error)


# ---------------------------------------------------------------- scoring


@dataclass(frozen=True)
class Scored:
    """Scores of all pairs."""

    rows: dict[int, ImageScores]  # by the index of the pair
    masks_hash: MasksHash  # of the holes in the order of the rows
    real: list[Tensor]  # features of the photo of each row, 1×C
    fake: dict[str, list[Tensor]]  # features of each method's composite, 1×C


def score_all(pairs: Pairs, methods: Methods, judges: Judges) -> Scored:
    """Score every method on the pairs that all have a fill of, with a progress bar; raises `OnarError` without any."""
    scored = Scored({}, MasksHash(), [], {name: [] for name in methods.descriptions})
    with progress_bar(total=len(pairs) * len(methods.fills), unit="fill") as bar:
        for index in range(len(pairs)):
            pair = pairs[index]
            if pair is None or (found := read_fills(pair, methods)) is None:
                bar.update(len(methods.fills))
                continue
            composites = {}
            for name, fill in methods.fills.items():
                bar.set_postfix_str(name)
                composites[name] = fill_holes(pair, name, fill)
                bar.update()
            _score_pair(index, pair, composites | found, judges, scored)
    for folder in methods.folders.values():
        pairs.skipped |= folder.lacking
    if not scored.rows:
        advice = "; fills are scored with the options that their pairs were written with" if methods.folders else ""
        raise OnarError(f"nothing could be scored: {next(iter(pairs.skipped.values()))}{advice}")
    return scored


def read_fills(pair: Pair, methods: Methods) -> dict[str, EightBits] | None:
    """The composites of fills made before; None when a folder lacks one, because all methods share their pairs."""
    filled = {name: folder(pair) for name, folder in methods.folders.items()}
    found = {name: pixels for name, pixels in filled.items() if pixels is not None}
    if len(found) < len(filled):
        return None
    return {name: np.where(pair.hole[..., None], pixels, pair.photo) for name, pixels in found.items()}


def fill_holes(pair: Pair, name: str, fill: Fill) -> EightBits:
    """The composite of one method, uint8 H×W×3; raises `UsageError` when it did not return a photo of that size."""
    completed = fill(pair.empty, pair.hole.astype(np.uint8) * HOLE)
    fits = isinstance(completed, np.ndarray) and completed.shape == pair.photo.shape and completed.dtype == np.uint8
    if not fits:
        raise UsageError(f"the method {name!r} must return a uint8 array of the photo's shape {pair.photo.shape}")
    return np.where(pair.hole[..., None], completed, pair.photo)


def _score_pair(index: int, pair: Pair, composites: dict[str, EightBits], judges: Judges, scored: Scored) -> None:
    """Score the composites of one photo, one at a time: photos may be large."""
    photo, known = _as_batch(pair.photo), (~pair.hole)[None, None]
    scores: ScoresByMethod = {}
    for method, pixels in composites.items():
        composite = _as_batch(pixels)
        scores[method] = _score(composite, photo, known, judges)
        if judges.features:
            scored.fake[method].append(judges.features(_to_device(composite, judges)))
    if judges.features:
        scored.real.append(judges.features(_to_device(photo, judges)))
    share, group = hole_share(pair.hole), group_of(pair.hole)
    height, width = pair.hole.shape
    row = ImageScores(pair.photo_name, pair.mask_name, height, width, share, group.range, group.border, scores)
    scored.rows[index] = row
    scored.masks_hash.add(pair.hole)


def _score(composite: Frame, photo: Frame, known: NDArray[np.bool_], judges: Judges) -> dict[str, float | None]:
    """Every metric of one composite, 1×3×H×W in [0, 1]; None where there is no score."""
    values: dict[str, float | None] = {name: float(value[0]) for name, value in score(composite, photo, known).items()}
    return values | {name: _distance(name, composite, photo, judges) for name in learned_metrics()}


def _distance(name: str, composite: Frame, photo: Frame, judges: Judges) -> float | None:
    distance = judges.distances.get(name)
    if distance is None or min(photo.shape[-2:]) < distance.min_side:
        return None
    return float(distance(_to_device(composite, judges), _to_device(photo, judges)))


def _as_batch(picture: EightBits) -> Frame:
    """Turn uint8 H×W×3 into float32 1×3×H×W in [0, 1]."""
    frames: Frame = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
    return frames


def _to_device(frames: Frame, judges: Judges) -> Tensor:
    import torch

    return torch.from_numpy(frames).to(judges.device)


def set_distances(features: str | None, judges: Judges, scored: Scored) -> SetDistances | None:
    """Compare the composites of each method with the photos, as sets; None when no network was named."""
    if features is None:
        return None
    if judges.features is None:
        return SetDistances(features, len(scored.rows), {}, False, "", judges.no_features)
    import torch

    from onar.metrics.learned_distances import frechet_distance, kernel_distance

    real, scores = torch.cat(scored.real), {}
    for method, vectors in scored.fake.items():
        fake = torch.cat(vectors)
        enough = len(real) > 1
        scores[method] = {
            "fid": frechet_distance(real, fake) if enough else None,
            "kid": kernel_distance(real, fake) if enough else None,
        }
    return SetDistances(features, len(real), scores, judges.features.is_standard, judges.features.note)


# ---------------------------------------------------------------- examples


def choose_examples(pairs: Pairs, methods: Methods, rows: dict[int, ImageScores]) -> tuple[Example, ...]:
    """The best, median and worst pairs of the first method, completed again."""
    asked = next(iter(methods.descriptions))

    def quality(index: int) -> float:
        return rows[index].scores[asked]["psnr_hole"] or 0.0

    ranked = sorted(rows, key=quality, reverse=True)
    chosen = {"best": ranked[0], "median": ranked[len(ranked) // 2], "worst": ranked[-1]}
    return tuple(_example(title, pairs, index, methods, rows[index]) for title, index in chosen.items())


def _example(title: str, pairs: Pairs, index: int, methods: Methods, row: ImageScores) -> Example:
    pair = pairs[index]
    if pair is None or (found := read_fills(pair, methods)) is None:
        raise OnarError(f"{row.mask} or its fills changed during the evaluation")
    masked = np.where(pair.hole[..., None], np.uint8(255), pair.photo)
    completed = {name: fill_holes(pair, name, fill) for name, fill in methods.fills.items()}
    return Example(title, row, masked, pair.photo, completed | found)
