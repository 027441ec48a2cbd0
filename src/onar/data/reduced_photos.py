"""Photos that a training keeps in memory, reduced: read once, and cut into crops step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch.utils.data import Dataset

from onar.data.batches import ErrorsAsItems, PhotoLoader, start_worker
from onar.data.photo_sets import Photos
from onar.errors import OnarError
from onar.imaging.crops import centre_box
from onar.imaging.images import EightBits, PhotoError, open_photo
from onar.system.console import progress_bar, warn


def read_reduced_photos(
    photos: Photos, count: int, *, side: int, max_aspect: float, num_workers: int, seed: int
) -> list[EightBits]:
    """Read photos, uint8 h×w×3 each, with a progress bar on stderr; unreadable ones are reported.

    Args:
        photos: those to choose from.
        count: maximum number, drawn by the seed.
        side: maximum of the shorter side.
        max_aspect: maximum of the longer side over the shorter one: of a panorama the middle is kept.
        num_workers: processes that read.
        seed: of the choice.

    Raises:
        OnarError: none can be read.
    """
    chosen = np.random.default_rng((seed, len(photos))).permutation(len(photos))[:count]
    loader = PhotoLoader(
        ErrorsAsItems(_Reduced(photos, side, max_aspect)),
        batch_size=None,
        sampler=chosen.tolist(),
        num_workers=min(num_workers, len(chosen)),
        worker_init_fn=start_worker,
        collate_fn=_as_array,
    )
    kept, unreadable = [], []
    for photo in progress_bar(loader, desc="Reading photos", total=len(chosen), unit="photo"):
        if isinstance(photo, str):
            unreadable.append(photo)
            warn(f"Skipped {photo}")
        else:
            kept.append(photo)
    if not kept:
        raise OnarError(f"none of the {len(chosen)} photos could be read; the first: {unreadable[0]}")
    return kept


class _Reduced(Dataset[Any]):
    """Photos by index as they are kept, or a line about one that cannot be read."""

    def __init__(self, photos: Photos, side: int, max_aspect: float) -> None:
        self._photos, self._side, self._max_aspect = photos, side, max_aspect

    def __getitem__(self, index: int) -> EightBits | str:
        try:
            with open_photo(self._photos[index]) as file:
                shorter = min(file.height, file.width)
                height, width = (min(length, int(self._max_aspect * shorter)) for length in (file.height, file.width))
                scale = min(1.0, self._side / shorter)
                box = centre_box(file.height, file.width, height, width)
                return file.read_crop(box, max(1, round(scale * height)), max(1, round(scale * width)))
        except PhotoError as error:
            return str(error)


def _as_array(photo: Any) -> Any:
    """Leave the photo as it is; the loader would make a tensor of it."""
    return photo
