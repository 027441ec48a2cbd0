"""The photos of a run by its configuration: those to train on, those held out, and what reads them in batches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from onar.config import TrainConfig
from onar.data.batches import EpochBatches, photo_loader
from onar.data.mask_sources import mask_source
from onar.data.samples import (
    MOST_HELD_OUT,
    ChosenPhotos,
    Photos,
    RandomCrops,
    TrainingPhotos,
    count_held_out,
    hold_out,
    open_photos,
)
from onar.data.streams import StreamedPhotos, StreamLoader


@dataclass(frozen=True)
class TrainingData:
    """The photos of a run.

    Attributes:
        training: to train on.
        held_out: for validation, perhaps none.
    """

    training: Photos | StreamedPhotos
    held_out: Photos

    def first(self, count: int) -> Photos:
        """Some of the photos to train on."""
        if isinstance(self.training, StreamedPhotos):
            return self.training.first(count)
        return ChosenPhotos(self.training, np.arange(min(count, len(self.training))))


def find_training_data(config: TrainConfig) -> TrainingData:
    """Find the photos of a run; raises `OnarError` when there are none, or a source cannot be read."""
    if config.stream:
        return _find_stream(config)
    training = open_photos(config.data, config.photo_column)
    if config.val_data is not None:
        return TrainingData(training, open_photos(config.val_data, config.photo_column))
    return TrainingData(*hold_out(training, config.val_share, config.seed))


def _find_stream(config: TrainConfig) -> TrainingData:
    """Held out of a stream are the first photos of `val_data`, or those of `data` itself."""
    training = StreamedPhotos(str(config.data), config.photo_column)
    if isinstance(config.val_data, str):
        return TrainingData(training, StreamedPhotos(config.val_data, config.photo_column).first(MOST_HELD_OUT))
    if config.val_data is not None:
        return TrainingData(training, open_photos(config.val_data))
    held_out = training.first(count_held_out(config.photos_per_epoch or 0, config.val_share))
    return TrainingData(training.without(held_out), held_out)


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
    crops = RandomCrops(*config.height_width, mask_source(config), config.seed, config.min_crop)
    if isinstance(data.training, StreamedPhotos):
        return StreamLoader(data.training, crops, batches, config.num_workers, config.shuffle_buffer, states)
    return photo_loader(TrainingPhotos(data.training, crops), batches, config.num_workers)
