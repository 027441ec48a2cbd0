"""Match the masks in a folder to photos, by relative path and name."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias
from unicodedata import normalize

from onar.errors import OnarError, UsageError, printable
from onar.imaging.images import PhotoBytes
from onar.imaging.listing import MAX_NAMES, find_masks, some

Source: TypeAlias = Path | PhotoBytes
"""A file, or the content of a pipe."""

_Key: TypeAlias = tuple[str, str]
"""The kind of comparison, and the text that must be equal."""

_CALLED_MASK = re.compile(r"(.+)[_\-. ]masks?[_\-]?\d*|masks?[_\-. ](.+)", re.DOTALL)
"""Lower-case names of masks without ending, which contain the photo's name."""


@dataclass(frozen=True)
class Matches:
    """The mask of each photo that has one; photos without one; and for photos with several, a message.

    None instead of a mask is for photos whose holes are to be found.
    """

    masks: dict[Source, Source | Literal["alpha"] | None]
    without: list[Path]
    ambiguous: dict[Path, str]


def match_folder(places: Mapping[Path, Path], folder: Path, setting: str = "mask") -> Matches:
    """Find the mask of each photo in a folder.

    Candidates at the photo's relative path, in this order: its name with its ending, such as NAME.jpg.png; its name;
    its name ignoring case; and names that match `_CALLED_MASK`, such as NAME_mask, NAME-mask, NAME_mask001 or
    mask_NAME. Then the same anywhere in the folder. The first kind with any mask decides; several are ambiguous.

    Args:
        places: photo -> its path relative to the folder that it was found in.
        folder: folder of the masks, searched with its subfolders.
        setting: name of the setting of that folder, for messages.

    Raises:
        OnarError: no photo has a mask, or all matches are ambiguous; `UsageError` if the folder is that of the photos.
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
        _refuse_all(places, folder, masks, matches, setting if own else "")
    # If photos and masks share a folder, masks are not reported as photos without a mask.
    used = {os.path.realpath(mask) for mask in matches.masks.values() if isinstance(mask, Path)}
    matches.without[:] = [one for one in matches.without if one not in own or os.path.realpath(one) not in used]
    return matches


def is_same_file(one: Source, other: Path) -> bool:
    """Whether both paths are the same file or folder."""
    try:
        return isinstance(one, Path) and os.path.samefile(one, other)
    except OSError:  # a missing file is reported when it is read
        return False


def _refuse_all(
    places: Mapping[Path, Path], folder: Path, masks: Sequence[Path], matches: Matches, holds_photos: str
) -> None:
    """Raise `OnarError` with the reason why no photo has a mask."""
    if matches.ambiguous:
        raise OnarError("; ".join(list(matches.ambiguous.values())[:MAX_NAMES]))
    if holds_photos:
        raise UsageError(
            f"--{holds_photos} {printable(folder)} holds the photos themselves, and no photo is its own mask: name a "
            "folder of masks that are called as the photos are, or call them NAME_mask.png"
        )
    raise OnarError(
        f"no photo has a mask of its name: the photos are {some(places.values())}; "
        f"the masks in {printable(folder)} are {some(mask.relative_to(folder) for mask in masks)}"
    )


def _nearest(photo: Path, place: Path, by_key: Mapping[_Key, Sequence[Path]]) -> Sequence[Path]:
    """The best matches for a photo, which are equally good."""
    for kind, bare in (("place", place.with_suffix("").as_posix()), ("name", place.stem)):
        whole = bare + place.suffix
        if with_ending := _first(by_key, [(kind, normalize("NFC", whole)), (f"{kind} in any case", _any_case(whole))]):
            return with_ending
        for key in ((kind, normalize("NFC", bare)), (f"{kind} in any case", _any_case(bare))):
            # A file of the same name in the photo's folder is the photo itself, or another photo.
            elsewhere = [mask for mask in by_key.get(key, ()) if not is_same_file(photo.parent, mask.parent)]
            if elsewhere:
                return elsewhere
        if called_mask := _first(by_key, [(f"{kind} of its photo", _any_case(name)) for name in (whole, bare)]):
            return called_mask
    return ()


def _first(by_key: Mapping[_Key, Sequence[Path]], keys: Sequence[_Key]) -> Sequence[Path]:
    """The masks of the first key that has any."""
    return next((found for key in keys if (found := by_key.get(key))), ())


def _keys(place: Path) -> list[_Key]:
    """The keys of a mask: its path and its name, exact, ignoring case, and without the affix of a mask."""
    keys = []
    for kind, text in (("place", place.with_suffix("").as_posix()), ("name", place.stem)):
        keys += [(kind, normalize("NFC", text)), (f"{kind} in any case", _any_case(text))]
        folder, _, name = _any_case(text).rpartition("/")
        if called := _CALLED_MASK.fullmatch(name):
            of = called[1] or called[2]
            keys.append((f"{kind} of its photo", f"{folder}/{of}" if folder else of))
    return keys


def _any_case(text: str) -> str:
    """A text for comparison ignoring case, in Turkish (I ı, İ i) and English (I i).

    >>> _any_case("IŞIK") == _any_case("ışık")
    True
    """
    return normalize("NFC", text).casefold().replace("i\N{COMBINING DOT ABOVE}", "i").replace("ı", "i")
