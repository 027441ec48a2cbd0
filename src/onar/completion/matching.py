"""Which mask in a folder belongs to which photo: the one at the nearest place, under the nearest name."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias
from unicodedata import normalize

from onar.errors import OnarError, UsageError, printable
from onar.imaging.images import PhotoBytes
from onar.imaging.listing import SOME, find_masks, some

Source: TypeAlias = Path | PhotoBytes
"""A file, or what came through a pipe."""

_Key: TypeAlias = tuple[str, str]
"""In what respect pictures are compared, and the text that must be equal."""


@dataclass(frozen=True)
class Matches:
    """The mask of each photo that has one, and the photos that have none or, with a line, several."""

    masks: dict[Source, Source | Literal["alpha"]]
    without: list[Path]
    ambiguous: dict[Path, str]


def match_folder(places: dict[Path, Path], folder: Path) -> Matches:
    """Find the mask of each photo in a folder.

    At the photo's place are looked for: its name, its name in another case, NAME_mask. Then, in the same order, those
    anywhere in the folder. The first that is there is the mask, if it is the only one.

    Args:
        places: of each photo, where it lies under the folder that it was found in.
        folder: of the masks, searched with its subfolders.

    Raises:
        UsageError: the folder holds the photos themselves, and no masks.
        OnarError: no photo has a mask, or several fit each that has one.
    """
    masks = find_masks(folder)
    by_key: dict[_Key, list[Path]] = defaultdict(list)
    for mask in masks:
        for key in _keys(mask.relative_to(folder)):
            by_key[key].append(mask)
    matches, own = Matches({}, [], {}), set()
    for photo, place in places.items():
        fitting = _nearest(photo, place, by_key)
        if len(fitting) == 1:
            matches.masks[photo] = fitting[0]
        elif fitting:
            matches.ambiguous[photo] = f"{printable(photo)} fits several masks: {some(fitting)}"
        else:
            matches.without.append(photo)
            if any(is_same_file(photo, mask) for mask in by_key.get(_keys(place)[0], ())):
                own.add(photo)
    if not matches.masks:
        _refuse_all(places, folder, masks, matches, bool(own))
    # Where photos and masks lie in one folder, a mask is no photo that lacks one.
    used = {os.path.realpath(mask) for mask in matches.masks.values() if isinstance(mask, Path)}
    matches.without[:] = [one for one in matches.without if one not in own or os.path.realpath(one) not in used]
    return matches


def is_same_file(one: Source, other: Path) -> bool:
    """Whether both names lead to one file or folder."""
    try:
        return isinstance(one, Path) and os.path.samefile(one, other)
    except OSError:  # one has gone: that is told when it is read
        return False


def _refuse_all(
    places: dict[Path, Path], folder: Path, masks: Sequence[Path], matches: Matches, holds_photos: bool
) -> None:
    """Say why no photo has a mask; raises `OnarError`."""
    if matches.ambiguous:
        raise OnarError("; ".join(list(matches.ambiguous.values())[:SOME]))
    if holds_photos:
        raise UsageError(
            f"--mask {printable(folder)} holds the photos themselves, and no photo is its own mask: name a folder of "
            "masks that are called as the photos are, or call them NAME_mask.png"
        )
    raise OnarError(
        f"no photo has a mask of its name: the photos are {some(places.values())}; "
        f"the masks in {printable(folder)} are {some(mask.relative_to(folder) for mask in masks)}"
    )


def _nearest(photo: Path, place: Path, by_key: Mapping[_Key, Sequence[Path]]) -> Sequence[Path]:
    """The masks that are equally near to a photo, and nearer than all others."""
    exact_place, any_place, exact_name, any_name = _keys(place)
    for exact, in_any_case in ((exact_place, any_place), (exact_name, any_name)):
        for key in (exact, in_any_case):
            # Beside a photo, what is called as it is is the photo itself or another one.
            elsewhere = [mask for mask in by_key.get(key, ()) if not is_same_file(photo.parent, mask.parent)]
            if elsewhere:
                return elsewhere
        kind, text = in_any_case
        if called_mask := by_key.get((kind, f"{text}_mask")):
            return called_mask
    return ()


def _keys(place: Path) -> list[_Key]:
    """By what a picture at a place is found: its place, that in any case, its name, that in any case."""
    texts = {"place": place.with_suffix("").as_posix(), "name": place.stem}
    keys = []
    for kind, text in texts.items():
        keys += [(kind, normalize("NFC", text)), (f"{kind} in any case", _any_case(text))]
    return keys


def _any_case(text: str) -> str:
    """A text that is the same for capitals and small letters, in Turkish (I ı, İ i) as in English (I i)."""
    return normalize("NFC", text).casefold().replace("i\N{COMBINING DOT ABOVE}", "i").replace("ı", "i")
