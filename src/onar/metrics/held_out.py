"""Validation: scores on held-out photos with fixed holes, beside baselines on the same holes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from onar.data.mask_sources import MaskSource, NamedMasks
from onar.data.photo_sets import Photos
from onar.data.samples import CentreCrops, ValidationPhotos, in_unit_range
from onar.masks.holes import composite, mask_from_known
from onar.metrics.baselines import BASELINES, Baseline, Fill
from onar.metrics.table import score
from onar.models.pyramid_fill import pyramid_fill
from onar.system.console import warn
from onar.system.devices import available_cpus
from onar.system.processes import gather, is_main_process, process_count, process_index

Scores = dict[str, float]
Completer = Callable[[Tensor, Tensor], Tensor]
Distances = Mapping[str, Callable[[Tensor, Tensor], Tensor]]
NO_DISTANCES: Distances = MappingProxyType({})


@dataclass(frozen=True)
class HeldOut:
    """Validation photos with their holes."""

    photo: Tensor  # N x C x H x W, uint8, or float32 in [0, 1]
    known: Tensor  # N x 1 x H x W, uint8, 1 = known
    unreadable: tuple[str, ...] = ()  # one line, `file: reason`, for each photo that was left out

    @property
    def digest(self) -> str:
        """A hash of photos and holes."""
        digest = hashlib.blake2b(repr((self.photo.shape, self.photo.dtype)).encode(), digest_size=16)
        for part in (self.photo, self.known):
            digest.update(part.contiguous().numpy().data)
        return digest.hexdigest()

    def first(self, count: int) -> HeldOut:
        """At most the first `count` of them."""
        return HeldOut(self.photo[:count], self.known[:count])

    def batches(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """This process's share of the batches, converted lazily: B x C x H x W in [0, 1], and B x 1 x H x W."""
        for start in range(process_index() * batch_size, len(self.photo), process_count() * batch_size):
            part = slice(start, start + batch_size)
            yield in_unit_range(self.photo[part]), self.known[part].float()


def score_completer(
    complete: Completer, held_out: HeldOut, batch_size: int, distances: Distances = NO_DISTANCES
) -> Scores:
    """Mean scores of composites, rounded to 8 bits where photos have 8 bits; the processes share the work.

    Args:
        complete: (photo * known, known) -> completed, on the CPU's tensors.
        held_out: photos and holes.
        batch_size: photos in one call of `complete`.
        distances: further scores by name: (composite, photo), both B x 3 x H x W in [0, 1] -> B values.
    """
    sums = []
    for photo, known in held_out.batches(batch_size):
        completed = complete(photo * known, known)
        whole = composite(photo, completed, known).clamp(0, 1)
        if held_out.photo.dtype == torch.uint8:
            whole = whole.mul(255).round().div(255)
        scores = score(whole, photo, known)
        learned = {name: distance(whole, photo).numpy() for name, distance in distances.items()}
        sums.append({name: float(np.sum(values)) for name, values in (scores | learned).items()})
    everyones = [batch for part in gather(sums) for batch in part]
    return {name: sum(batch[name] for batch in everyones) / len(held_out.photo) for name in everyones[0]}


def score_baselines(
    held_out: HeldOut,
    batch_size: int,
    distances: Distances = NO_DISTANCES,
    scored: Mapping[str, Scores] = MappingProxyType({}),
) -> dict[str, Scores]:
    """Scores of the pyramid fill and the `BASELINES` with a title on the same holes; missing ones are reported once.

    Those in `scored`, by title, are taken from there.
    """
    completers: dict[str, Completer] = {"pyramid fill": pyramid_fill}
    if held_out.photo.shape[1] in (1, 3):  # the others need colours
        titled = [baseline for baseline in BASELINES.values() if baseline.title]
        always = {str(one.title): complete_by(one.fill) for one in titled if one.missing is None}
        completers = always | completers | _optional([one for one in titled if one.missing])
    return {
        name: scored[name] if name in scored else score_completer(completer, held_out, batch_size, distances)
        for name, completer in completers.items()
    }


def _optional(baselines: list[Baseline]) -> dict[str, Completer]:
    """Baselines that need an optional package, where it is installed."""
    completers = {}
    for baseline in baselines:
        if reason := baseline.reason_missing:
            _warn_missing(str(baseline.title), reason)
        else:
            completers[str(baseline.title)] = complete_by(baseline.fill)
    return completers


@cache  # once per process
def _warn_missing(title: str, reason: str) -> None:
    if is_main_process():
        warn(f"onar: {title} is missing among the baselines: {reason}")


def complete_with(generator: nn.Module) -> Completer:
    """A generator in evaluation mode, on the device of its weights, as a function of CPU tensors."""

    @torch.no_grad()
    def complete(photo: Tensor, known: Tensor) -> Tensor:
        device = next((weight.device for weight in generator.parameters()), photo.device)
        was_training = generator.training
        generator.eval()
        completed: Tensor = generator(photo.to(device), known.to(device)).float().cpu()
        generator.train(was_training)
        return completed

    return complete


def load_held_out(
    found: Photos, height: int, width: int, masks: MaskSource | NamedMasks, seed: int, channels: int = 3
) -> HeldOut:
    """Read centre crops of validation photos, with one hole pattern each that depends on the seed alone."""
    photos = ValidationPhotos(found, CentreCrops(height, width, masks, seed, channels=channels))
    samples = [photos[index] for index in range(len(photos))]
    unreadable = dict.fromkeys(line for sample in samples for line in sample["unreadable"].splitlines())
    # an unreadable photo is replaced by the next one, which is there anyway.
    kept = [sample for index, sample in enumerate(samples) if sample["index"] == index]
    photo, known = (torch.stack([sample[name] for sample in kept]) for name in ("photo", "known"))
    return HeldOut(photo.permute(0, 3, 1, 2).contiguous(), known, tuple(unreadable))


def complete_by(fill: Fill) -> Completer:
    """Adapt a fill of arrays to the call of a generator; the photos of a batch run in parallel.

    Photos of one channel are filled as grey RGB photos.
    """

    def complete(photo: Tensor, known: Tensor) -> Tensor:
        masks = [mask_from_known(one.numpy()) for one in known]
        with ThreadPoolExecutor(available_cpus()) as threads:
            filled = list(threads.map(fill, map(to_picture, photo), masks))
        return torch.from_numpy(np.stack(filled)).permute(0, 3, 1, 2)[:, : photo.shape[1]].float() / 255

    return complete


def to_picture(photo: Tensor) -> NDArray[np.uint8]:
    """C x H x W in [0, 1] -> H x W x 3 in 8 bits: the first three channels, or the first as grey."""
    photo = photo[:3] if len(photo) >= 3 else photo[:1].expand(3, -1, -1)
    picture: NDArray[np.uint8] = photo.mul(255).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
    return picture


def sample_rows(complete: Completer, held_out: HeldOut, count: int) -> list[Sequence[NDArray[np.uint8]]]:
    """Rows of a sample sheet, of the first photos."""
    photo, known = in_unit_range(held_out.photo[:count]), held_out.known[:count].float()
    return picture_rows(photo, known, composite(photo, complete(photo * known, known), known))


def picture_rows(photo: Tensor, known: Tensor, completed: Tensor) -> list[Sequence[NDArray[np.uint8]]]:
    """Rows of masked (holes white), completed and original, for B photos."""
    columns = photo * known + (1 - known), completed, photo
    return [[to_picture(picture) for picture in row] for row in zip(*columns, strict=True)]
