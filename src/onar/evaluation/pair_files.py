"""Pairs as files for other programs, and folders of their fills.

A pair's files are called `NUMBER_DIGEST_PHOTO`. The digest is of the photo's name, the mask's, and the holes, so that a
fill that was made for other holes, or at another size, is never taken for one of these.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onar.data.photo_folders import refuse_shared_folders
from onar.errors import FieldError, OnarError, printable
from onar.evaluation.pairs import HoleSource, Pair, Pairs
from onar.imaging.images import EightBits, PhotoError, open_photo
from onar.imaging.listing import find_photos, some
from onar.imaging.writing import write_image
from onar.masks.shapes import HOLE
from onar.system.console import progress_bar
from onar.system.files import replacing_folder

PHOTOS, MASKS = "photos", "masks"
"""Folders of the pairs' files: photos whose holes are grey, and masks (white = hole) of the same names."""

_MAX_STEM = 60
_OF_A_PAIR = re.compile(r"\d{4,}_([0-9a-f]{12})(?![0-9a-f])")


def pair_name(pair: Pair) -> str:
    """The name of a pair's files, without ending."""
    stem = re.sub(r"[^\w.-]", "_", Path(pair.photo_name).stem)[:_MAX_STEM]
    return f"{pair.number:04}_{pair.digest}_{stem}"


def write_pair_files(pairs: Pairs, folder: Path) -> int:
    """Write pairs as PNG files, all or none, and return their number.

    Raises:
        FieldError: the folder is not empty, or is in the photos' folder.
        OnarError: it cannot be written, or there is no pair.
    """
    refuse_shared_folders([("data", pairs.folder), ("write_pairs", folder)], [])
    if pairs.folder.resolve() in folder.resolve().parents:
        rule = (
            f"{printable(folder)} is in `data` {printable(pairs.folder)}, where its pictures would be scored as photos"
        )
        raise FieldError("write_pairs", f"{rule}: name a folder elsewhere")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FieldError("write_pairs", f"{printable(folder)} exists and is not empty: name a new folder")
    written = 0
    with replacing_folder(folder) as temporary:
        for index in progress_bar(range(len(pairs)), desc="Writing pairs", unit="pair"):
            if pair := pairs[index]:
                name = f"{pair_name(pair)}.png"
                write_image(temporary / PHOTOS / name, pair.empty)
                write_image(temporary / MASKS / name, pair.hole.astype(np.uint8) * HOLE)
                written += 1
        if not written:
            raise OnarError(f"no pair could be written: {next(iter(pairs.skipped.values()))}")
    return written


@dataclass(frozen=True)
class FoundFills:
    """Summary of a folder of fills."""

    folder: str
    count: int  # fills that were scored
    known_changed: int  # fills with changed known pixels
    known_difference: float  # the mean difference of known pixels over all fills, in levels of 255
    most_changed: str | None  # the fill with the largest difference
    lacking: tuple[str, ...]  # names of pairs without a usable fill; no method is scored on them
    unused: tuple[str, ...]  # pictures that belong to no pair that was scored

    def remarks(self, name: str) -> list[str]:
        """Notes for comparing these fills with others."""
        lines = []
        if self.known_changed:
            lines.append(
                f"{name}: known pixels are changed in {self.known_changed} of {self.count} fills, by "
                f"{self.known_difference:.1f} of 255 levels on average, most in {self.most_changed}; scored with the "
                "photo's own"
            )
        if self.lacking:
            number = f"{len(self.lacking)} of {len(self.lacking) + self.count} pairs"
            lines.append(f"{name}: no usable fill for {number}, on which no method is scored: {some(self.lacking)}")
        if self.unused:
            lines.append(f"{name}: {len(self.unused)} pictures belong to no pair: {some(self.unused)}")
        return lines


class FillsFolder:
    """Completed pictures that another program has made of pairs, in a folder with its subfolders.

    A fill has the name of its pair (`pair_name`), where the part after the digest is ignored, or that of its mask file.
    Ending and folder are ignored, too.

    Raises:
        OnarError: there is no such folder, or no picture in it.
    """

    def __init__(self, name: str, folder: Path, holes: Sequence[HoleSource]) -> None:
        self.name = name
        self.folder = folder
        self.lacking: dict[str, str] = {}
        """Reasons why pairs have no usable fill, by the names of the pairs."""
        self._known_differences: dict[str, float] = {}
        self._files: dict[str, list[Path]] = defaultdict(list)
        self._unused: dict[Path, str] = {}
        for path in find_photos(folder, f"fills of {name}"):
            place = path.relative_to(folder)
            self._unused[path] = printable(place)
            of_pair = _OF_A_PAIR.match(place.stem)
            for key in {of_pair[1]} if of_pair else {place.with_suffix("").as_posix(), place.stem}:
                self._files[key].append(path)
        self._stems = Counter(Path(hole.name).stem for hole in holes)

    def __call__(self, pair: Pair) -> EightBits | None:
        """The fill of a pair from its file, uint8 H×W×3; None, with a line in `lacking`, where there is none."""
        try:
            path = self._find(pair)
            filled = self._read(path, pair)
        except PhotoError as error:
            self.lacking[pair_name(pair)] = f"fill of {self.name}: {error}"
            return None
        known = ~pair.hole
        difference = np.abs(filled[known].astype(np.int16) - pair.photo[known])
        self._known_differences[printable(path.relative_to(self.folder))] = (
            float(difference.mean()) if known.any() else 0.0
        )
        return filled

    @property
    def found(self) -> FoundFills:
        """Summary, after all pairs were read."""
        differences = self._known_differences
        count = len(differences)
        return FoundFills(
            str(self.folder),
            count,
            sum(value > 0 for value in differences.values()),
            sum(differences.values()) / count if count else 0.0,
            max(differences, key=lambda name: differences[name]) if any(differences.values()) else None,
            tuple(self.lacking),
            tuple(self._unused.values()),
        )

    def _find(self, pair: Pair) -> Path:
        """The file with a pair's fill; raises `PhotoError` when there is none, or more than one."""
        mask = Path(pair.mask_name)
        keys = [pair.digest, mask.with_suffix("").as_posix()]
        if self._stems[mask.stem] == 1:
            keys.append(mask.stem)
        found = next((self._files[key] for key in keys if key in self._files), [])
        for path in found:
            self._unused.pop(path, None)
        if len(found) == 1:
            return found[0]
        where = f"pictures for {pair_name(pair)} ({pair.photo_name} with {pair.mask_name})"
        if found:
            raise PhotoError(f"several {where}: {some(found)}")
        raise PhotoError(f"no {where}, under that name or the mask's")

    def _read(self, path: Path, pair: Pair) -> EightBits:
        with open_photo(path) as fill:
            if (size := (fill.height, fill.width)) != pair.hole.shape:
                wrong, right = ("{} x {}".format(*one) for one in (size, pair.hole.shape))
                raise PhotoError(f"{printable(path)} is {wrong} pixels (height x width), and its photo {right}")
            return np.array(fill.read())
