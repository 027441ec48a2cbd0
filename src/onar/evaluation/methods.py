"""Methods that are compared: weights, baselines, functions of the caller, and fills made by other programs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from onar.errors import FieldError, UsageError, printable
from onar.evaluation.config import EvaluationConfig, Named
from onar.evaluation.pair_files import FillsFolder
from onar.evaluation.pairs import HoleSource
from onar.inference.backends import PyramidBackend
from onar.inference.inpainter import Inpainter
from onar.metrics.baselines import BASELINES, Fill
from onar.settings.fill import FillOptions
from onar.system.files import file_sha256
from onar.weights.bundled import BUNDLED, PYRAMID

ASKED = "onar"  # name of the method when only one generator is scored


@dataclass
class Methods:
    """Methods that are compared, by name; the first is the reference."""

    fills: dict[str, Fill]  # functions that fill holes
    folders: dict[str, FillsFolder]  # fills made before, which come after the functions
    descriptions: dict[str, str]  # of functions and folders
    unavailable: dict[str, str]  # methods that could not be loaded, with the reasons
    weights_sha256: dict[str, str | None]  # digests of weights files; None for the pyramid fill

    def add(self, name: str, fill: Fill, description: str) -> None:
        """Add a function that fills holes; raises `UsageError` when its name is taken."""
        if self._is_taken(name):
            raise UsageError(f"a method cannot be called {printable(name)!r}: that name is taken")
        self.descriptions[name] = description
        self.fills[name] = fill

    def add_folder(self, folder: FillsFolder) -> None:
        """Add fills made before; raises `FieldError` when their name is taken."""
        if self._is_taken(folder.name):
            raise FieldError("fills", f"names a method {printable(folder.name)!r}: that name is taken: write NAME=DIR")
        self.descriptions[folder.name] = f"fills in {printable(folder.folder)}"
        self.folders[folder.name] = folder

    def _is_taken(self, name: str) -> bool:
        return name in self.descriptions or name in self.unavailable


def gather_methods(config: EvaluationConfig, further: Mapping[str, Fill], holes: Sequence[HoleSource]) -> Methods:
    """Load the methods that are compared, and functions of the caller; `holes` are those of all pairs.

    Raises:
        UsageError: two methods would have one name.
        OnarError: weights or fills cannot be read.
    """
    methods = Methods({}, {}, {}, {}, {})
    folders = {name: FillsFolder(name, Path(place), holes) for name, place in name_fills(config.fills).items()}
    for name, place in _name_weights(config.weights):
        loaded = Inpainter.load(
            place, config.device, 0, config.blend, config.network, trust_weights=config.trust_weights
        )
        _add_weights(methods, name, loaded.for_photos(), config.fill)
    if config.baselines:
        _add_baselines(methods)
    for name, fill in further.items():
        methods.add(name, fill, "given by the caller")
    for folder in folders.values():
        methods.add_folder(folder)
    return methods


def _add_weights(methods: Methods, name: str | None, inpainter: Inpainter, fill: FillOptions) -> None:
    if name is None:
        name = PYRAMID if isinstance(inpainter.backend, PyramidBackend) else ASKED
    options = fill.keywords()
    methods.add(name, lambda photo, mask: inpainter(photo, mask, **options), inpainter.description)
    methods.weights_sha256[name] = file_sha256(inpainter.weights) if inpainter.weights else None


def _add_baselines(methods: Methods) -> None:
    for name, baseline in BASELINES.items():
        if reason := baseline.reason_missing:
            methods.unavailable[name] = reason
        else:
            methods.add(name, baseline.fill, baseline.description)
    if PYRAMID not in methods.fills:
        methods.add(PYRAMID, Inpainter.load(PYRAMID), "the pyramid fill, without learning")


def name_fills(fills: Named) -> dict[str, Path]:
    """Folders of fills by the names of their methods: the given ones, or those of the folders."""
    given = _as_mapping(fills, "fills")
    names = _short_names([Path(os.path.abspath(place)) for name, place in given if name is None], "fills")
    return _with_names(given, names, "fills")


def _name_weights(weights: Named) -> list[tuple[str | None, Path]]:
    """Weights with the names of their methods; None is the default name, where there are no others."""
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
    """Split NAME=PATH; a text that is an existing path has no name."""
    name, equals, place = str(text).partition("=")
    if not equals or "/" in name or os.path.exists(text):
        return None, Path(text)
    if not name or not place:
        raise FieldError(setting, f"takes PATH or NAME=PATH, not {printable(text)}")
    return name, Path(place)


def _with_names(given: Sequence[tuple[str | None, Path]], names: Sequence[str], setting: str) -> dict[str, Path]:
    """Paths by their own names or, without one, the next of `names`; raises `FieldError` for duplicates."""
    waiting, named = iter(names), {}
    for own, place in given:
        name = next(waiting) if own is None else own
        if name in named:
            raise FieldError(setting, f"names two methods {printable(name)!r}: write NAME=PATH")
        named[name] = place
    return named


def _short_names(places: Sequence[Path], setting: str) -> list[str]:
    """The shortest suffixes that distinguish paths, such as "run_1/generator_final"; without endings if possible.

    Raises:
        FieldError: a path is given twice.
    """
    for place in places:
        if places.count(place) > 1:
            raise FieldError(setting, f"names {printable(place)} twice")
    bare = [place.with_suffix("") if place.is_file() else place for place in places]
    parts = [place.parts for place in (bare if len(set(bare)) == len(bare) else places)]
    for length in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            return [printable(name) for name in names]
    return []
