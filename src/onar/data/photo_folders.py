"""Photos from folders and file lists, without the files of other settings in the same folders.

A photo is identified by its path relative to its folder, so a folder may be moved.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np

from onar.errors import FieldError, OnarError, printable
from onar.imaging.formats.endings import READABLE, ending_of
from onar.imaging.listing import is_file, is_mask_sheet, list_photos
from onar.settings.options import HUB_PREFIX, PhotoData
from onar.settings.training import TrainConfig
from onar.system.console import warn

NamedFolders: TypeAlias = Sequence[tuple[str, Path]]
"""Folders with the names of their settings."""


class PhotoPaths:
    """Paths of photos as one block of bytes: a list of a million objects would be copied into every process.

    Args:
        names: paths relative to their folders, by index.
        folders: the folders, in the order of their photos; by default the names are paths.
        counts: number of photos of each folder.

    >>> photos = PhotoPaths(["a.jpg", "b/c.jpg"], [Path("album")])
    >>> len(photos), photos.name(1)
    (2, 'b/c.jpg')
    """

    def __init__(
        self, names: Sequence[Path | str], folders: Sequence[Path] = (Path(),), counts: Sequence[int] | None = None
    ) -> None:
        self._names = np.array([os.fsencode(name) for name in names])
        self._folders = folders
        self._ends = np.cumsum([len(names)] if counts is None else counts)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int, /) -> Path:
        return self._folders[self._folder_of(index)] / os.fsdecode(self._names[index])

    def name(self, index: int) -> str:
        """The photo's path relative to its folder; from the second folder on, prefixed with the folder's number."""
        number, name = self._folder_of(index), os.fsdecode(self._names[index]).replace(os.sep, "/")
        return f"{number + 1}:{name}" if number else name

    def place(self, index: int) -> Path:
        """The photo's path relative to its folder."""
        return Path(os.fsdecode(self._names[index]))

    def chosen(self, indices: Sequence[int]) -> PhotoPaths:
        """The photos at these ascending indices."""
        counts = np.bincount([self._folder_of(index) for index in indices], minlength=len(self._folders))
        return PhotoPaths([self.place(index) for index in indices], self._folders, counts.tolist())

    @property
    def digest(self) -> str:
        """SHA-256 of all names in order: changes if a photo is added, removed or renamed."""
        return hashlib.sha256(self._names.tobytes() + self._ends.tobytes()).hexdigest()

    @property
    def earlier_digest(self) -> str:
        """The digest of earlier versions, of whole paths."""
        paths = np.array([os.fsencode(self[index]) for index in range(len(self))])
        return hashlib.sha256(paths.tobytes()).hexdigest()

    def _folder_of(self, index: int) -> int:
        return int(np.searchsorted(self._ends, range(len(self))[index], side="right"))


def find_photo_paths(
    data: Path | tuple[Path, ...], others: NamedFolders = (), endings: Collection[str] = READABLE.keys()
) -> PhotoPaths:
    """Find the photos of folders with their subfolders, of file lists, and single photos.

    A file list is a text file with one path per line, relative to the list's folder. Results of trainings and `others`,
    folders of other settings, are skipped, with a line on stderr. Duplicates are removed. Raises `OnarError` if there
    are no photos, or a list cannot be read.
    """
    found: list[tuple[Path, list[str]]] = []
    seen: set[str] = set()
    for place in data if isinstance(data, tuple) else (data,):
        folder, names = _find(place, others, endings)
        kept = [name for name in names if not (isinstance(data, tuple) and _is_double(folder, name, seen))]
        if len(kept) < len(names):
            warn(f"{len(names) - len(kept)} photos of {printable(place)} are duplicates, and count once")
        found.append((folder, kept))
    folders, names_of = zip(*found, strict=True)
    return PhotoPaths([name for names in names_of for name in names], folders, [len(names) for names in names_of])


def _is_double(folder: Path, name: str, seen: set[str]) -> bool:
    """Whether a photo was seen before; adds it to `seen`."""
    path = os.path.realpath(folder / name)
    count = len(seen)
    seen.add(path)
    return len(seen) == count


def _find(place: Path, others: NamedFolders, endings: Collection[str]) -> tuple[Path, list[str]]:
    """A folder and the relative paths of its photos."""
    if place.is_file():
        return place.parent, [place.name] if ending_of(str(place)) in endings else _read_list(place, endings)
    return place, _names_in(place, others, "photos", endings)


def find_mask_paths(folder: Path, others: NamedFolders = ()) -> PhotoPaths:
    """Find the mask files in a folder with its subfolders; arguments and errors as in `find_photo_paths`."""
    names = _names_in(folder, others, "mask files")
    return PhotoPaths([name for name in names if not is_mask_sheet(folder / name)], (folder,))


def _names_in(place: Path, others: NamedFolders, what: str, endings: Collection[str] = READABLE.keys()) -> list[str]:
    """The relative paths of pictures in a folder; folders of other settings and of trainings are skipped."""
    settings = {os.path.realpath(other): setting for setting, other in others}
    left_out: dict[str, str] = {}

    def holds_others(folder: str) -> bool:
        setting = settings.get(os.path.realpath(folder))
        if setting or is_results_folder(Path(folder)):
            left_out[folder] = f"--{setting}" if setting else "results of a training"
        return folder in left_out

    pictures = list_photos(place, what, holds_others, endings)
    for folder, reason in left_out.items():
        warn(f"Skipped in {printable(place)}: {printable(folder)} ({reason})")
    return [os.path.relpath(picture, place) for picture in pictures]


def _read_list(file: Path, endings: Collection[str]) -> list[str]:
    """The lines of a file list; raises `OnarError` if it is none, or none of its files exists."""
    try:
        names = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise OnarError(
            f"cannot read {printable(file)} as a list of photos, one path a line: "
            f"{getattr(error, 'strerror', None) or 'not UTF-8 text'}"
        ) from error
    others = [name for name in names if ending_of(name) not in endings]
    if not names or others:
        problem = f"such as {printable(others[0])!r}" if others else "no line at all"
        raise OnarError(
            f"{printable(file)} is no list of photos: each line names one, with an ending of "
            f"{' '.join(endings)}; this has {len(others)} other lines, {problem}"
        )
    if not any((file.parent / name).exists() for name in names):
        raise OnarError(
            f"none of the {len(names)} photos in {printable(file)} is there: paths are relative to the list"
        )
    return [name for name in names if is_file(str(file.parent / name))]


# ---------------------------------------------------------------- folders in folders


def named_folders(setting: str, value: PhotoData | None) -> list[tuple[str, Path]]:
    """The folders and lists of a setting of photos or masks, with the setting's name.

    >>> [str(place) for _, place in named_folders("data", (Path("a"), Path("b")))]
    ['a', 'b']
    """
    if value is None or isinstance(value, str):
        return []
    return [(setting, place) for place in (value if isinstance(value, tuple) else (value,))]


def folders_beside(config: TrainConfig, setting: str = "") -> list[tuple[str, Path]]:
    """The folders that the settings of a run name, each with its setting, but for those of one setting."""
    names = ("data", "val_data", "masks", "val_masks", "results_dir")
    return [pair for name in names if name != setting for pair in named_folders(name, getattr(config, name))]


def refuse_shared_folders(folders: NamedFolders, sources: Sequence[tuple[str, PhotoData | None]]) -> None:
    """Raise `UsageError` for one folder of two settings: masks would be photos, or validation photos used for training.

    `sources` are settings of photos with their values; an image folder of `datasets` includes all of its subfolders.
    """
    real = [(setting, Path(os.path.realpath(place))) for setting, place in folders]
    for number, (setting, place) in enumerate(real):
        for other, same in real[:number]:
            if place == same and {setting, other} != {"masks", "val_masks"}:
                raise FieldError(other, f"and `{setting}` are both {printable(place)}: each needs its own folder")
        for source, data in sources:
            image_folder = _image_folder(data)
            if image_folder and image_folder in (place, *place.parents):
                raise FieldError(
                    setting,
                    f"{printable(place)} is in the folder of `{source}` {data}, which would read its pictures as "
                    f"photos: name another, or `{source}` {printable(image_folder)}, which excludes them",
                )


def _image_folder(data: PhotoData | None) -> Path | None:
    """The local folder of an image folder source; None for others."""
    prefix = f"{HUB_PREFIX}imagefolder:"
    if not isinstance(data, str) or not data.startswith(prefix):
        return None
    folder = Path(data.removeprefix(prefix).rsplit("@", 1)[0]).expanduser()
    return Path(os.path.realpath(folder)) if folder.is_dir() else None


def is_results_folder(folder: Path) -> bool:
    """Whether a folder holds results of a training of Onar, by its configuration, or by the start of its log."""
    return _has_run_configuration(folder / "config.toml") or _starts_run_log(folder / "log.jsonl")


def _has_run_configuration(file: Path) -> bool:
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8")).keys()
    except (OSError, ValueError):
        return False
    return {"results_dir", "lambda_pixel", "img_size"} <= found or {"output", "steps", "epoch_steps"} <= found


def _starts_run_log(file: Path) -> bool:
    try:
        with file.open(encoding="utf-8") as log:
            record = json.loads(next(islice(log, 1), ""))
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("kind") == "start"


def data_text(data: PhotoData) -> str:
    """The value of a setting of photos, for messages.

    >>> data_text((Path("a"), Path("b")))
    'a, b'
    """
    return ", ".join(printable(place) for place in data) if isinstance(data, tuple) else printable(data)
