"""Checks before a command starts: missing files, then missing extras, all named at once."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from onar.errors import EXTRAS, OnarError, printable
from onar.settings.options import HUB_PREFIX
from onar.weights.bundled import BUNDLED, PYRAMID, weights_file

_PLACES = ("data", "val_data", "masks", "val_masks", "calibration")
_WEIGHTS = ("weights", "init_weights", "content_weights", "average_with", "blend")


def require_extras(verb: str, extras: Iterable[str], settings: object = None) -> None:
    """Raise `OnarError` when extras of a verb are missing.

    Args:
        verb: its name.
        extras: keys of `EXTRAS`.
        settings: the verb's; a file or folder in them that is not there is reported before the extras, which may take
            gigabytes.
    """
    missing = {extra: lacks for extra in extras if (lacks := [name for name in EXTRAS[extra] if not find_spec(name)])}
    if not missing:
        return
    refuse_missing_files(settings)
    lacking = " and ".join(lacks[0] for lacks in missing.values())
    are = "are" if len(missing) > 1 else "is"
    raise OnarError(f'{verb} needs pip install "onar[{",".join(missing)}]" ({lacking} {are} missing)')


def refuse_missing_files(settings: object) -> None:
    """Raise `OnarError` for a file or folder of settings that is not there."""
    for name in _PLACES:
        for place in _parts(getattr(settings, name, None)):
            _refuse_missing(place)
    for name in _WEIGHTS:
        weights = getattr(settings, name, None)
        if weights is not None and str(weights) not in (BUNDLED, PYRAMID):
            _refuse_missing(weights_file(weights))


def _parts(places: Any) -> tuple[Any, ...]:
    """Names of photos or masks, without sources of the hub."""
    parts = places if isinstance(places, tuple) else (places,)
    return tuple(part for part in parts if part is not None and not str(part).startswith(HUB_PREFIX))


def _refuse_missing(path: Path) -> None:
    if not path.exists():
        raise OnarError(f"cannot read {printable(path)}: No such file or directory")
