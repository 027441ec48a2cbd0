"""The photos of a run by its configuration: those to train on, those held out, and what reads them in batches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from onar.data.augmentation import Augmentation
from onar.data.batches import EpochBatches, photo_loader
from onar.data.hub import warn_unused_files
from onar.data.mask_sources import MaskFolder, MaskSource, NamedMasks, mask_source, name_masks
from onar.data.photo_folders import PhotoPaths, named_folders, refuse_shared_folders
from onar.data.samples import (
    MAX_HELD_OUT,
    ChosenPhotos,
    Photos,
    RandomCrops,
    TrainingPhotos,
    count_held_out,
    hold_out,
    hold_out_named,
    open_photos,
)
from onar.data.streams import StreamedPhotos, StreamLoader
from onar.errors import OnarError, UsageError
from onar.settings.training import PhotoData, TrainConfig


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
    masks: MaskSource | NamedMasks
    held_out_masks: MaskSource | NamedMasks
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
            stream by a hash of their files; empty where an index or `val_data` says which they are. masks: tells mask
            files from others; empty where holes are generated.
        """
        masks = ""
        if isinstance(self.masks, MaskFolder | NamedMasks):
            masks = self.masks.digest
        return self._photos_record() | {"masks": masks}

    def _photos_record(self) -> dict[str, Any]:
        if isinstance(self.training, StreamedPhotos):
            return {"photos": self.training.data, "held_out": sorted(mark.hex() for mark in self.training.held_out)}
        found = self.training if self.found is None else self.found
        if not isinstance(found, PhotoPaths):
            return {"photos": f"{len(found)} rows", "held_out": []}
        chosen = self.held_out.indices if isinstance(self.held_out, ChosenPhotos) and found is self.found else ()
        return {"photos": found.digest, "held_out": [found.name(index) for index in chosen]}


def folders_beside(config: TrainConfig, setting: str = "") -> list[tuple[str, Path]]:
    """The folders that the settings of a run name, each with its setting, but for those of one setting."""
    names = ("data", "val_data", "masks", "val_masks", "results_dir")
    return [pair for name in names if name != setting for pair in named_folders(name, getattr(config, name))]


def find_training_data(config: TrainConfig) -> TrainingData:
    """Find the photos and masks of a run.

    What lies in the photos' folder and belongs to another setting is left out.

    Raises:
        UsageError: two settings name one folder.
        OnarError: there are none, a source cannot be read, or no mask file has a hole.
    """
    refuse_shared_folders(folders_beside(config), [("data", config.data), ("val_data", config.val_data)])
    if config.masks_by_name:
        return _find_with_masks(config)
    training, held_out, found = _find_stream(config) if config.stream else _find_photos(config)
    masks = mask_source(config, folders_beside(config))
    held_out_masks = masks if config.val_masks is None else mask_source(config, folders_beside(config), validation=True)
    return TrainingData(training, held_out, masks, held_out_masks, found)


def _find_photos(config: TrainConfig) -> tuple[Photos, Photos, Photos | None]:
    """Held out are the photos of `val_data`, or a share of those of `data`."""
    training = open_photos(config.data, config.photo_column, folders_beside(config, "data"), config.channels)
    if config.val_data is not None:
        return training, _find_val_photos(config, config.val_data), None
    return *hold_out(training, config.val_share, config.seed), training


def _find_with_masks(config: TrainConfig) -> TrainingData:
    """As `find_training_data`, with the mask of its own name for each photo."""
    assert config.masks is not None
    found = open_photos(config.data, config.photo_column, folders_beside(config, "data"), config.channels)
    if not isinstance(found, PhotoPaths):
        raise UsageError("--masks_by_name needs photos in folders: those of a source have no names")
    photos, masks = name_masks(found, config.masks, "masks")
    if config.val_data is None:
        return TrainingData(*hold_out(photos, config.val_share, config.seed), masks, masks, photos)
    held_out = _find_val_photos(config, config.val_data)
    if not isinstance(held_out, PhotoPaths):
        raise UsageError("--masks_by_name needs validation photos in folders: those of a source have no names")
    held_out, held_out_masks = name_masks(held_out, config.val_masks or config.masks, "val_masks")
    return TrainingData(photos, held_out, masks, held_out_masks)


def _find_val_photos(config: TrainConfig, val_data: PhotoData) -> Photos:
    return open_photos(val_data, config.photo_column, folders_beside(config, "val_data"), config.channels)


def split_as_before(data: TrainingData, before: dict[str, Any]) -> tuple[TrainingData, str]:
    """Hold out what a run has held out so far, whatever came or went since: it must not have been trained on.

    Args:
        data: the photos that are found now.
        before: what `TrainingData.record` gave when the run was stopped.

    Returns:
        The photos, and a line that says what has changed; an empty one when nothing has.

    Raises:
        OnarError: what was held out cannot be told from the rest any more, nothing else is left, or the masks are
            others.
    """
    now, kept = data.record(), before["held_out"]
    if now["masks"] != before.get("masks", now["masks"]):
        raise OnarError(
            "the mask files are others than when this run began: train with those of then, or start anew with "
            "--resume never"
        )
    before = before | {"masks": now["masks"]}
    if isinstance(data.found, PhotoPaths) and before["photos"] == data.found.earlier_digest:
        before["photos"] = now["photos"]
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
    warn_unused_files(str(config.data))
    training = StreamedPhotos(str(config.data), config.photo_column)
    if isinstance(config.val_data, str):
        return training, StreamedPhotos(config.val_data, config.photo_column).first(MAX_HELD_OUT), None
    if config.val_data is not None:
        return training, _find_val_photos(config, config.val_data), None
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
    config: TrainConfig,
    data: TrainingData,
    batches: EpochBatches,
    states: list[dict[str, Any]] | None,
    *,
    pin_memory: bool = False,
) -> Iterable[dict[str, Any]]:
    """What reads the training photos; iterating it yields the batches of an epoch.

    Args:
        config: the configuration of the run.
        data: its photos.
        batches: set to an epoch before iterating.
        states: how far every process was in a stream, to go on from there.
        pin_memory: keep batches where a GPU copies them from.
    """
    augmentation = Augmentation(config.augment_blur, config.augment_jpeg, config.augment_rotation)
    crops = RandomCrops(
        *config.height_width, data.masks, config.seed, config.min_crop, augmentation, channels=config.channels
    )
    if isinstance(data.training, StreamedPhotos):
        return StreamLoader(
            data.training, crops, batches, config.num_workers, config.shuffle_buffer, states, pin_memory
        )
    return photo_loader(TrainingPhotos(data.training, crops), batches, config.num_workers, pin_memory)
