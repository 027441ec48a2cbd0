"""The photos of a run by its configuration: those to train on, those held out, and what reads them in batches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from onar.config import TrainConfig
from onar.data.augmentation import Augmentation
from onar.data.batches import EpochBatches, photo_loader
from onar.data.hub import tell_left_out
from onar.data.mask_sources import MaskSource, mask_source
from onar.data.samples import (
    MOST_HELD_OUT,
    ChosenPhotos,
    PhotoPaths,
    Photos,
    RandomCrops,
    TrainingPhotos,
    count_held_out,
    hold_out,
    hold_out_named,
    open_photos,
)
from onar.data.streams import StreamedPhotos, StreamLoader
from onar.errors import OnarError


@dataclass(frozen=True)
class TrainingData:
    """The photos of a run, and where their holes come from.

    Attributes:
        training: to train on.
        held_out: for validation, perhaps none.
        masks: the holes to train with.
        held_out_masks: those of validation.
        found: both, where they were found together and an index tells them apart.
    """

    training: Photos | StreamedPhotos
    held_out: Photos
    masks: MaskSource
    held_out_masks: MaskSource
    found: Photos | None = None

    def first(self, count: int) -> Photos:
        """Some of the photos to train on."""
        if isinstance(self.training, StreamedPhotos):
            return self.training.first(count)
        return ChosenPhotos(self.training, np.arange(min(count, len(self.training))))

    def record(self) -> dict[str, Any]:
        """What a checkpoint keeps of them, as plain values.

        Returns:
            photos: tells those that were found from others; held_out: the held-out ones of them by name, or for a
            stream by a hash of their files; empty where an index or `val_data` says which they are.
        """
        if isinstance(self.training, StreamedPhotos):
            return {"photos": self.training.data, "held_out": sorted(mark.hex() for mark in self.training.held_out)}
        found = self.training if self.found is None else self.found
        if not isinstance(found, PhotoPaths):
            return {"photos": f"{len(found)} rows", "held_out": []}
        held_out = self.held_out if found is self.found else []
        return {"photos": found.digest, "held_out": [str(held_out[index]) for index in range(len(held_out))]}


def find_training_data(config: TrainConfig) -> TrainingData:
    """Find the photos and masks of a run.

    Raises:
        OnarError: there are none, a source cannot be read, or no mask file has a hole.
    """
    training, held_out, found = _find_stream(config) if config.stream else _find_photos(config)
    masks = mask_source(config)
    held_out_masks = masks if config.val_masks is None else mask_source(config, validation=True)
    return TrainingData(training, held_out, masks, held_out_masks, found)


def _find_photos(config: TrainConfig) -> tuple[Photos, Photos, Photos | None]:
    """Held out are the photos of `val_data`, or a share of those of `data`."""
    training = open_photos(config.data, config.photo_column)
    if config.val_data is not None:
        return training, open_photos(config.val_data, config.photo_column), None
    return *hold_out(training, config.val_share, config.seed), training


def split_as_before(data: TrainingData, before: dict[str, Any]) -> tuple[TrainingData, str]:
    """Hold out what a run has held out so far, whatever came or went since: it must not have been trained on.

    Args:
        data: the photos that are found now.
        before: what `TrainingData.record` gave when the run was stopped.

    Returns:
        The photos, and a line that says what has changed; an empty one when nothing has.

    Raises:
        OnarError: what was held out cannot be told from the rest any more, or nothing else is left.
    """
    now, kept = data.record(), before["held_out"]
    if now == before:
        return data, ""
    stay = ""
    if isinstance(data.found, PhotoPaths):
        training, held_out = hold_out_named(data.found, frozenset(kept))
        if len(training) == 0:
            raise OnarError("every photo that is left was held out of this run: nothing is left to train on")
        data = replace(data, training=training, held_out=held_out)
        stay = f"; of the {len(kept)} held out then, {len(held_out)} are there and stay held out"
    elif isinstance(data.training, StreamedPhotos) or data.found is not None:
        raise OnarError(
            "the source has changed since this run began, and photos that it was trained on would be held out: train "
            "on the source as it was, or start anew with --resume never"
        )
    if now["photos"] == before["photos"] or isinstance(data.training, StreamedPhotos):
        return data, ""
    return data, f"Photos came or went since this run began: it goes on with {len(data.training)}{stay}"


def _find_stream(config: TrainConfig) -> tuple[StreamedPhotos, Photos, None]:
    """Held out of a stream are the first photos of `val_data`, or those of `data` itself."""
    tell_left_out(str(config.data))
    training = StreamedPhotos(str(config.data), config.photo_column)
    if isinstance(config.val_data, str):
        return training, StreamedPhotos(config.val_data, config.photo_column).first(MOST_HELD_OUT), None
    if config.val_data is not None:
        return training, open_photos(config.val_data), None
    held_out = training.first(count_held_out(config.photos_per_epoch or 0, config.val_share))
    return training.without(held_out), held_out, None


def start_batches(config: TrainConfig, data: TrainingData, rank: int, world_size: int) -> EpochBatches:
    """The order of photos, or for a stream only the sizes of batches and epochs.

    Args:
        config: the configuration of the run.
        data: its photos.
        rank: number of this process.
        world_size: how many processes train.
    """
    photos = config.photos_per_epoch or 0 if isinstance(data.training, StreamedPhotos) else len(data.training)
    return EpochBatches(
        photos,
        config.batch_size,
        config.seed,
        photos_per_epoch=config.photos_per_epoch,
        rank=rank,
        world_size=world_size,
    )


def open_loader(
    config: TrainConfig, data: TrainingData, batches: EpochBatches, states: list[dict[str, Any]] | None
) -> Iterable[dict[str, Any]]:
    """What reads the training photos; iterating it yields the batches of an epoch.

    Args:
        config: the configuration of the run.
        data: its photos.
        batches: set to an epoch before iterating.
        states: how far every process was in a stream, to go on from there.
    """
    augmentation = Augmentation(config.augment_blur, config.augment_jpeg, config.augment_rotation)
    crops = RandomCrops(*config.height_width, data.masks, config.seed, config.min_crop, augmentation)
    if isinstance(data.training, StreamedPhotos):
        return StreamLoader(data.training, crops, batches, config.num_workers, config.shuffle_buffer, states)
    return photo_loader(TrainingPhotos(data.training, crops), batches, config.num_workers)
