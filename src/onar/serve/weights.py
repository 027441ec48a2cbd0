"""The weights to choose from on the page and in the API, each with what it is and its licence."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from onar.errors import FieldError, OnarError, printable
from onar.inference.inpainter import PYRAMID, Inpainter
from onar.inference.public_networks import is_torchscript
from onar.serve.errors import UnknownWeightsError
from onar.settings.networks import NetworkOption
from onar.weights.bundled import BUNDLED, bundled_weights, weights_file
from onar.weights.catalogue import CATALOGUE
from onar.weights.metadata import is_own_onnx
from onar.weights.store import downloaded, is_here

PATTERNS = ("generator_*.pth", "*.safetensors", "*.onnx")
"""Of names in lower case."""

TRAINED, PUBLIC = "trained", "public"
"""Kinds of weights: those of Onar's networks, and those of other programs' whose network is not known."""

OF_AUTHORS = "of its authors"
"""The licence of a file whose authors are not known."""

ABOUT = {
    BUNDLED: "Onar's network, with the photo's own texture",
    PYRAMID: "smooth colours from the edge of the hole, without a network",
    TRAINED: "a network trained with Onar",
    PUBLIC: "a network of another program, such as LaMa or MI-GAN",
}
"""By kind."""


@dataclass(frozen=True)
class WeightsChoice:
    """Weights to choose.

    Attributes:
        name: by which they are chosen.
        kind: of `ABOUT`, or that of a network in `CATALOGUE`; the page has a line in each language for it.
        about: what they are good for, in one line.
        licence: as their authors name it; None where it is that of whoever trained them.
    """

    name: str
    kind: str
    about: str
    licence: str | None


@dataclass(frozen=True)
class WeightsShelf:
    """Weights by name: the server's own, those in a folder, downloaded ones, the bundled ones, and "pyramid" for none.

    Loaded weights are cached per process: the server's own, and the most recently used others. So a shelf can be
    pickled and sent to the process that loads them. `weights`, `device`, `threads` and `network` are arguments of
    `Inpainter.load`; files of TorchScript, which are programs, are not loaded.

    Attributes:
        folder: of further weights.
        allowed: names beside the server's own that may be chosen; empty for all.
    """

    weights: str | None
    device: str = "auto"
    folder: Path | None = None
    threads: int = 0
    network: NetworkOption = "auto"
    allowed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.folder is not None and not self.folder.is_dir():
            raise OnarError(f"--weights_dir {self.folder}: no such folder")
        everything = replace(self, allowed=()).names() if self.allowed else []
        for name in self.allowed:
            if name not in everything and name in CATALOGUE:
                downloaded(name)
            if name not in everything:
                raise FieldError("allow_weights", f"{name}: there are no such weights, but {', '.join(everything)}")

    @property
    def name(self) -> str:
        """Name of the server's own weights."""
        return Path(self.weights or BUNDLED).name

    def names(self) -> list[str]:
        """The names available now, the server's own weights first."""
        return list(self._files())

    def choices(self) -> list[WeightsChoice]:
        """The weights available now, as `names`."""
        return [_describe(name, file) for name, file in self._files().items()]

    def load(self) -> str:
        """Load the server's own weights; returns their description, or raises `OnarError`."""
        return self._own().description

    def choose(self, name: str = "") -> Inpainter:
        """The inpainter with the named weights, by default the server's own; raises `UnknownWeightsError` for others.

        If they cannot be loaded, it raises `OnarError`, and the reason, which may name paths, is in the log.
        """
        if name in ("", self.name):
            return self._own()
        files = self._files()
        if name not in files:
            raise UnknownWeightsError(f"there are no weights named {printable(name)}")
        if name in (BUNDLED, PYRAMID):
            return _load_other(name, self.device, self.threads, 0.0)
        path = Path(files[name])
        try:
            return _load_other(str(path), self.device, self.threads, path.stat().st_mtime)
        except (OnarError, OSError) as error:
            logging.getLogger(__name__).error("weights that were chosen on the page: %s", error)
            raise OnarError(f"the weights {printable(name)} cannot be loaded; the server's log says more") from error

    def _own(self) -> Inpainter:
        return _load_own(self.weights, self.device, self.threads, self.network)

    def _files(self) -> dict[str, str]:
        """What `Inpainter.load` takes, by name."""
        here = {name: str(downloaded(name)) for name in CATALOGUE if is_here(name)}
        others = {**self._found(), **here, BUNDLED: BUNDLED, PYRAMID: PYRAMID}
        chosen = {name: file for name, file in others.items() if not self.allowed or name in self.allowed}
        return {self.name: self.weights or BUNDLED, **{name: chosen[name] for name in chosen if name != self.name}}

    def _found(self) -> dict[str, str]:
        if self.folder is None:
            return {}
        files = sorted(self.folder.rglob("*"))
        found = [path for path in files if any(fnmatchcase(path.name.lower(), pattern) for pattern in PATTERNS)]
        return {str(path.relative_to(self.folder)): str(path) for path in found}


def _describe(name: str, weights: str) -> WeightsChoice:
    """The choice of weights as `Inpainter.load` takes them."""
    if weights == PYRAMID:
        return WeightsChoice(name, PYRAMID, ABOUT[PYRAMID], None)
    path = weights_file(weights)
    if path == bundled_weights():
        return WeightsChoice(name, BUNDLED, ABOUT[BUNDLED], "MIT")
    try:
        content = path.stat()
        return _describe_file(name, path, content.st_size, content.st_mtime)
    except (OSError, OnarError):  # removed, or damaged: what chooses them says so
        return WeightsChoice(name, TRAINED, ABOUT[TRAINED], None)


@lru_cache(maxsize=1000)
def _describe_file(name: str, path: Path, size: int, _changed: float) -> WeightsChoice:
    """The choice of a file; one of the size and name of a known network is taken for it."""
    known = next((one for one in CATALOGUE.values() if (one.file, one.size) == (path.name, size)), None)
    if known:
        return WeightsChoice(name, known.network, known.purpose, known.licence)
    if path.suffix.lower() == ".onnx" and not is_own_onnx(path):
        return WeightsChoice(name, PUBLIC, ABOUT[PUBLIC], OF_AUTHORS)
    return WeightsChoice(name, TRAINED, ABOUT[TRAINED], None)


def _load(weights: str | None, device: str, threads: int, network: NetworkOption = "auto") -> Inpainter:
    path = None if weights == PYRAMID else weights_file(weights)
    if path and is_torchscript(path):
        raise FieldError("weights", f"{path} is a TorchScript file, a program: a server runs none")
    return Inpainter.load(weights, device, threads, network=network).for_photos()


@lru_cache(maxsize=1)
def _load_own(weights: str | None, device: str, threads: int, network: NetworkOption) -> Inpainter:
    return _load(weights, device, threads, network)


@lru_cache(maxsize=1)
def _load_other(weights: str, device: str, threads: int, _changed: float) -> Inpainter:
    return _load(weights, device, threads)
