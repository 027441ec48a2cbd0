"""What is compared: weights, baselines, functions of the caller and fills that other programs have made, by name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from onar.errors import UsageError, printable
from onar.evaluation.pair_files import FillsFolder
from onar.evaluation.pairs import HoleSource
from onar.inference.backends import PyramidBackend
from onar.inference.inpainter import PYRAMID, Inpainter
from onar.metrics.baselines import BASELINES, Fill
from onar.system.files import file_sha256
from onar.weights.bundled import BUNDLED

Named: TypeAlias = Path | str | Sequence[Path | str] | Mapping[str, Path | str] | None
"""A file or folder, or several of them: with their names, or as "NAME=PATH", or named by their paths."""

ASKED = "onar"
"""The method's name when one trained generator is asked about."""


@dataclass
class Methods:
    """What is compared, the one asked about first.

    Attributes:
        fills: functions that fill, by name.
        folders: fills that are there already, by name; they come after the functions.
        descriptions: what each of both is.
        unavailable: what was asked for and could not be had, and why.
        weights_sha256: of the weights of those that have some, None for the pyramid fill.
    """

    fills: dict[str, Fill]
    folders: dict[str, FillsFolder]
    descriptions: dict[str, str]
    unavailable: dict[str, str]
    weights_sha256: dict[str, str | None]

    def add(self, name: str, fill: Fill, description: str) -> None:
        """Add a function that fills; raises `UsageError` when its name is taken."""
        self._describe(name, description)
        self.fills[name] = fill

    def add_folder(self, folder: FillsFolder) -> None:
        """Add fills that are there; raises `UsageError` when their name is taken."""
        self._describe(folder.name, f"fills in {printable(folder.folder)}", ": write --fills NAME=DIR")
        self.folders[folder.name] = folder

    def _describe(self, name: str, description: str, advice: str = "") -> None:
        if name in self.descriptions or name in self.unavailable:
            raise UsageError(f"a method cannot be called {printable(name)!r}: that name is taken{advice}")
        self.descriptions[name] = description


def gather_methods(
    weights: Named,
    fills: Named,
    further: Mapping[str, Fill],
    holes: Sequence[HoleSource],
    *,
    baselines: bool,
    device: str,
    texture: str,
    blend: Path | None,
) -> Methods:
    """Load what is compared.

    Args:
        weights: what `Inpainter.load` takes.
        fills: folders.
        further: functions of the caller.
        holes: of all pairs.
        baselines: add those of `BASELINES` and the pyramid fill.
        device: for the weights.
        texture: for the weights.
        blend: for the weights.

    Raises:
        UsageError: two methods would have one name.
        OnarError: weights or fills cannot be read.
    """
    methods = Methods({}, {}, {}, {}, {})
    folders = {name: FillsFolder(name, Path(place), holes) for name, place in name_fills(fills).items()}
    for name, place in _name_weights(weights):
        _add_weights(methods, name, Inpainter.load(place, device, blend=blend).for_photos(), texture)
    if baselines:
        _add_baselines(methods)
    for name, fill in further.items():
        methods.add(name, fill, "given by the caller")
    for folder in folders.values():
        methods.add_folder(folder)
    return methods


def _add_weights(methods: Methods, name: str | None, inpainter: Inpainter, texture: str) -> None:
    if name is None:
        name = PYRAMID if isinstance(inpainter.backend, PyramidBackend) else ASKED
    methods.add(name, lambda photo, mask: inpainter(photo, mask, texture=texture), inpainter.description)
    methods.weights_sha256[name] = file_sha256(inpainter.weights) if inpainter.weights else None


def _add_baselines(methods: Methods) -> None:
    for name, baseline in BASELINES.items():
        if reason := baseline.reason_missing:
            methods.unavailable[name] = reason
        else:
            methods.add(name, baseline.fill, baseline.description)
    if PYRAMID not in methods.fills:
        methods.add(PYRAMID, Inpainter.load(PYRAMID), "the pyramid fill, which learns nothing")


# ---------------------------------------------------------------- names


def name_fills(fills: Named) -> dict[str, Path]:
    """Folders of fills by the names of their methods: the given ones, or those of the folders."""
    given = _as_mapping(fills, "fills")
    names = _short_names([Path(os.path.abspath(place)) for name, place in given if name is None], "fills")
    return _with_names(given, names, "fills")


def _name_weights(weights: Named) -> list[tuple[str | None, Path]]:
    """Weights with the names of their methods; None stands for the usual name of the only ones."""
    given = _as_mapping(weights, "weights") or [(None, Path(BUNDLED))]
    if len(given) == 1 and given[0][0] is None:
        return given
    files = [place for name, place in given if name is None and str(place) not in (PYRAMID, BUNDLED)]
    short = _short_names([Path(os.path.abspath(file)) for file in files], "weights")
    names = {PYRAMID: PYRAMID, BUNDLED: BUNDLED} | dict(zip(map(str, files), short, strict=True))
    waiting = [names[str(place)] for name, place in given if name is None]
    return list(_with_names(given, waiting, "weights").items())


def _as_mapping(given: Named, setting: str) -> list[tuple[str | None, Path]]:
    """Names, where given, and paths."""
    if given is None:
        return []
    if isinstance(given, Mapping):
        return [(name, Path(place)) for name, place in given.items()]
    return [_split(place, setting) for place in ([given] if isinstance(given, str | Path) else given)]


def _split(text: Path | str, setting: str) -> tuple[str | None, Path]:
    """NAME=PATH as both; a path that is there is a path, whatever signs it has."""
    name, equals, place = str(text).partition("=")
    if not equals or "/" in name or os.path.exists(text):
        return None, Path(text)
    if not name or not place:
        raise UsageError(f"--{setting} takes PATH or NAME=PATH, not {printable(text)}")
    return name, Path(place)


def _with_names(given: Sequence[tuple[str | None, Path]], names: Sequence[str], setting: str) -> dict[str, Path]:
    """Each path under its own name or, where it has none, the next of `names`; raises `UsageError` for doubles."""
    waiting, named = iter(names), {}
    for own, place in given:
        name = next(waiting) if own is None else own
        if name in named:
            raise UsageError(f"--{setting} names two methods {printable(name)!r}: write NAME=PATH")
        named[name] = place
    return named


def _short_names(places: Sequence[Path], setting: str) -> list[str]:
    """The shortest ends of paths that tell them apart, such as "run_1/generator_final"; without endings if that does.

    Raises:
        UsageError: a path is there twice.
    """
    for place in places:
        if places.count(place) > 1:
            raise UsageError(f"--{setting} names {printable(place)} twice")
    bare = [place.with_suffix("") if place.is_file() else place for place in places]
    parts = [place.parts for place in (bare if len(set(bare)) == len(bare) else places)]
    for length in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            return [printable(name) for name in names]
    return []
