"""Sets of photos: opened from folders or a source, split for validation, and read past unreadable files."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from itertools import chain
from pathlib import Path
from typing import Protocol, TypeVar
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from onar.data.hub import HubPhotos, warn_unused_files
from onar.data.photo_folders import NamedFolders, PhotoPaths, find_photo_paths
from onar.errors import OnarError, printable
from onar.imaging.arrays import ARRAY_ENDINGS
from onar.imaging.formats.endings import READABLE
from onar.imaging.images import PhotoError, PhotoSource
from onar.settings.options import PhotoData
from onar.system.console import warn

T = TypeVar("T")

# Without these, the order of pass 3 and the crop of photo 0 in pass 3 would have the same generator: numpy pads seeds
# with zeros.
ORDER, TRAINING, VALIDATION, HOLD_OUT, AUGMENTATION = range(5)

MAX_HELD_OUT = 100

FOLDER_TIMEOUT = 120
"""Seconds to wait for a folder that has vanished."""
_GONE: set[Path] = set()
"""Folders whose timeout has expired in this process."""


class Photos(Protocol):
    """Photos by index: a list of paths, or a data set that reads them on access."""

    def __len__(self) -> int:
        """Number of photos."""

    def __getitem__(self, index: int, /) -> PhotoSource:
        """The photo at an index, unopened."""


class ChosenPhotos:
    """A subset of photos, in the order of the indices."""

    def __init__(self, photos: Photos, indices: NDArray[np.int64]) -> None:
        self._photos, self.indices = photos, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int, /) -> PhotoSource:
        return self._photos[int(self.indices[index])]


def open_photos(data: PhotoData, column: str | None = None, others: NamedFolders = (), channels: int = 3) -> Photos:
    """Find the photos of folders and file lists, or of a Hugging Face source, by default its first column of pictures.

    `others`, folders of other settings, are skipped. Photos with other than 1 or 3 channels are arrays. Raises
    `OnarError` if there are none.
    """
    if not isinstance(data, str):
        return find_photo_paths(data, others, READABLE.keys() if channels in (1, 3) else ARRAY_ENDINGS)
    warn_unused_files(data)
    return HubPhotos(data, column)


def hold_out(photos: Photos, share: float, seed: int) -> tuple[Photos, Photos]:
    """Split photos into a training set and a validation set, both in the given order.

    `share`, in [0, 1), is held out; the split depends on the seed and the number of photos only.

    >>> training, held_out = hold_out(PhotoPaths([f"{at}.jpg" for at in range(10)]), 0.2, seed=0)
    >>> len(training), len(held_out)
    (8, 2)
    """
    order = np.random.default_rng((seed, HOLD_OUT)).permutation(len(photos))
    held_out, training = np.split(order, [count_held_out(len(photos), share)])
    return ChosenPhotos(photos, np.sort(training)), ChosenPhotos(photos, np.sort(held_out))


def hold_out_named(photos: PhotoPaths, names: Collection[str]) -> tuple[Photos, Photos]:
    """Split photos into a training set and a validation set of the given names, both in the given order.

    Names that do not exist are ignored. They are compared in Unicode's normal form NFC, because macOS may store
    another one. Runs of earlier versions stored whole paths.
    """
    composed = {normalize("NFC", name) for name in names}
    both = ((photos.name(index), str(photos[index])) for index in range(len(photos)))
    named = np.array([not composed.isdisjoint(normalize("NFC", name) for name in pair) for pair in both], bool)
    return ChosenPhotos(photos, np.flatnonzero(~named)), ChosenPhotos(photos, np.flatnonzero(named))


def count_held_out(count: int, share: float) -> int:
    """Number of `count` photos to hold out: their share, at most `MAX_HELD_OUT`, and at least 1 of two or more.

    >>> count_held_out(1000, 0.05), count_held_out(2, 0.05), count_held_out(1, 0.05)
    (50, 1, 0)
    """
    return max(0, min(MAX_HELD_OUT, max(1, round(share * count)), count - 1)) if share > 0 else 0


def first_readable(photos: Photos, index: int, read: Callable[[PhotoSource], T]) -> tuple[T, int, list[str]]:
    """Read the first readable photo from `index` on, cyclically; `read` raises `PhotoError` for others.

    Returns the result, the index of the photo, and a line for each unreadable photo before it. Raises `OnarError` if no
    photo can be read.
    """
    unreadable: list[str] = []
    for at in chain(range(index, len(photos)), range(index)):
        while True:
            try:
                return read(photos[at]), at, unreadable
            except PhotoError as error:
                if _comes_back(photos[at]):
                    continue
                unreadable.append(str(error))
                break
    raise OnarError(f"none of the {len(photos)} photos could be read; the first: {unreadable[0]}")


def _comes_back(photo: PhotoSource) -> bool:
    """Wait until the folder of a photo is back if it has vanished, such as that of a drive; False after the timeout."""
    if not isinstance(photo, Path):
        return False
    missing = [folder for folder in photo.parents if not folder.is_dir()]
    if not missing or missing[-1] in _GONE:
        return False
    folder = missing[-1]  # that of the drive, if the drive has vanished
    warn(f"onar: {printable(folder)} has vanished; waiting for it for up to {FOLDER_TIMEOUT} s")
    latest = time.monotonic() + FOLDER_TIMEOUT
    while time.monotonic() < latest:
        time.sleep(0.2)
        if folder.is_dir() and photo.parent.is_dir():
            return True
    _GONE.add(folder)
    return False
