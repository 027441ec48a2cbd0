"""The training and validation photos of a run by its configuration, and their loader."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from onar.data.augmentation import Augmentation
from onar.data.batches import EpochBatches, photo_loader
from onar.data.hub import warn_unused_files
from onar.data.mask_sources import MaskFolder, MaskSource, NamedMasks, mask_source, name_masks
from onar.data.photo_folders import PhotoPaths, folders_beside, refuse_shared_folders
from onar.data.photo_sets import (
    MAX_HELD_OUT,
    ChosenPhotos,
    Photos,
    count_held_out,
    hold_out,
    hold_out_named,
    open_photos,
)
from onar.data.samples import RandomCrops, TrainingPhotos
from onar.data.streams import StreamedPhotos, StreamLoader
from onar.errors import FieldError, OnarError
from onar.settings.options import PhotoData
from onar.settings.training import TrainConfig


@dataclass(frozen=True)
class TrainingData:
    """The photos and masks of a run, for training and validation; `found` is all photos, if both are subsets."""

    training: Photos | StreamedPhotos
    held_out: Photos
    masks: MaskSource | NamedMasks
    held_out_masks: MaskSource | NamedMasks
    found: Photos | None = None

    def first(self, count: int) -> Photos:
        """The first training photos."""
        if isinstance(self.training, StreamedPhotos):
            return self.training.first(count)
        return ChosenPhotos(self.training, np.arange(min(count, len(self.training))))

    def record(self) -> dict[str, Any]:
        """The record of these photos in a checkpoint, as plain values.

        `photos` identifies all photos; `held_out` has the names of validation photos, or for a stream hashes of their
        files, and is empty if an index or `val_data` determines them; `masks` identifies mask files, empty for
        generated masks.
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


def find_training_data(config: TrainConfig) -> TrainingData:
    """Find the photos and masks of a run; folders of other settings are skipped.

    Raises `OnarError` if there are none, a source cannot be read, or no mask file has a hole.
    """
    refuse_shared_folders(folders_beside(config), [("data", config.data), ("val_data", config.val_data)])
    if config.masks_by_name:
        return _find_with_masks(config)
    training, held_out, found = _find_stream(config) if config.stream else _find_photos(config)
    masks = mask_source(config, folders_beside(config))
    held_out_masks = masks if config.val_masks is None else mask_source(config, folders_beside(config), validation=True)
    return TrainingData(training, held_out, masks, held_out_masks, found)


def _find_photos(config: TrainConfig) -> tuple[Photos, Photos, Photos | None]:
    """Training and validation photos: those of `val_data`, or a share of `data`."""
    training = open_photos(config.data, config.photo_column, folders_beside(config, "data"), config.channels)
    if config.val_data is not None:
        return training, _find_val_photos(config, config.val_data), None
    return *hold_out(training, config.val_share, config.seed), training


def _find_with_masks(config: TrainConfig) -> TrainingData:
    """As `find_training_data`, with a mask for each photo by its name."""
    assert config.masks is not None
    found = open_photos(config.data, config.photo_column, folders_beside(config, "data"), config.channels)
    if not isinstance(found, PhotoPaths):
        raise FieldError("masks_by_name", "needs photos in folders: those of a source have no names")
    photos, masks = name_masks(found, config.masks, "masks")
    if config.val_data is None:
        return TrainingData(*hold_out(photos, config.val_share, config.seed), masks, masks, photos)
    held_out = _find_val_photos(config, config.val_data)
    if not isinstance(held_out, PhotoPaths):
        raise FieldError("masks_by_name", "needs validation photos in folders: those of a source have no names")
    held_out, held_out_masks = name_masks(held_out, config.val_masks or config.masks, "val_masks")
    return TrainingData(photos, held_out, masks, held_out_masks)


def _find_val_photos(config: TrainConfig, val_data: PhotoData) -> Photos:
    return open_photos(val_data, config.photo_column, folders_beside(config, "val_data"), config.channels)


def split_as_before(data: TrainingData, before: dict[str, Any]) -> tuple[TrainingData, str]:
    """Restore the validation photos of a resumed run by its `TrainingData.record`, if photos were added or removed.

    Returns the photos, and a line about the changes, empty if there are none. Raises `OnarError` if the validation
    photos cannot be identified, no training photos are left, or the masks differ.
    """
    now, kept = data.record(), before["held_out"]
    if now["masks"] != before.get("masks", now["masks"]):
        raise OnarError(
            "the mask files have changed since this run began: restore them, or start again with `resume` never"
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
            "the source has changed since this run began, and training photos would be used for validation: restore "
            "the source, or start again with `resume` never"
        )
    if now["photos"] == before["photos"] or isinstance(data.training, StreamedPhotos):
        return data, ""
    return data, f"Photos were added or removed since this run began: it continues with {len(data.training)}{stay}"


def _find_stream(config: TrainConfig) -> tuple[StreamedPhotos, Photos, None]:
    """Training and validation photos of a stream: the first ones of `val_data`, or of `data` itself."""
    warn_unused_files(str(config.data))
    training = StreamedPhotos(str(config.data), config.photo_column)
    if isinstance(config.val_data, str):
        return training, StreamedPhotos(config.val_data, config.photo_column).first(MAX_HELD_OUT), None
    if config.val_data is not None:
        return training, _find_val_photos(config, config.val_data), None
    held_out = training.first(count_held_out(config.photos_per_epoch or 0, config.val_share))
    return training.without(held_out), held_out, None


def start_batches(config: TrainConfig, data: TrainingData, rank: int, world_size: int) -> EpochBatches:
    """The batches of a run: the order of photos, or for a stream only the sizes of batches and epochs."""
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
    """The loader of the training photos; iterating it yields the batches of the epoch that `batches` is set to.

    `states` is `StreamLoader.state` of every process, to resume a stream.
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
