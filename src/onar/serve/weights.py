"""The weights to choose from on the page and in the API, each with what it is and its licence."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache, partial
from pathlib import Path

from onar.errors import FieldError, OnarError, printable
from onar.inference.inpainter import Inpainter
from onar.inference.public_networks import is_torchscript
from onar.serve.errors import UnknownWeightsError
from onar.serve.loaded import Loaded
from onar.settings.networks import NetworkOption
from onar.weights.bundled import BUNDLED, PYRAMID, weights_file
from onar.weights.catalogue import CATALOGUE
from onar.weights.choices import WeightsChoice, describe
from onar.weights.store import downloaded, is_here

PATTERNS = ("generator_*.pth", "*.safetensors", "*.onnx")
"""Of names in lower case."""


@dataclass(frozen=True)
class WeightsShelf:
    """Weights by name: the server's own, those in a folder, downloaded ones, the bundled ones, and "pyramid" for none.

    Loaded weights are cached per process: the server's own, and the most recently used others, up to `loaded_bytes` of
    files. So a shelf can be pickled and sent to the process that loads them. `weights`, `device`, `threads` and
    `network` are arguments of `Inpainter.load`; files of TorchScript, which are programs, are not loaded.

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
    loaded_bytes: float = 512e6

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
        return [describe(name, None if file == PYRAMID else weights_file(file)) for name, file in self._files().items()]

    def load(self) -> str:
        """Load the server's own weights; returns their description, or raises `OnarError`."""
        return self._own().description

    def choose(self, name: str = "") -> Inpainter:
        """The inpainter with the named weights, by default the server's own; raises `UnknownWeightsError` for others.

        If they cannot be loaded, it raises `OnarError`, and the reason, which may name paths, is in the log.
        """
        if name in ("", self.name):
            return self._own()
        if name in (BUNDLED, PYRAMID) and self._allows(name):
            return self._other(name, 0, 0)
        files = self._files()
        if name not in files:
            raise UnknownWeightsError(f"there are no weights named {printable(name)}")
        path = Path(files[name])
        try:
            file = path.stat()
            return self._other(str(path), file.st_mtime_ns, file.st_size)
        except (OnarError, OSError) as error:
            logging.getLogger(__name__).error("weights that were chosen on the page: %s", error)
            raise OnarError(f"the weights {printable(name)} cannot be loaded; the server's log says more") from error

    def _own(self) -> Inpainter:
        return _load_own(self.weights, self.device, self.threads, self.network)

    def _other(self, weights: str, changed: int, size: int) -> Inpainter:
        version = (self.device, self.threads, changed, size)
        load = partial(_load, weights, self.device, self.threads)
        return _others.get(weights, version, size, self.loaded_bytes, load)

    def _files(self) -> dict[str, str]:
        """The argument `weights` of `Inpainter.load`, by name."""
        here = {name: str(downloaded(name)) for name in CATALOGUE if is_here(name)}
        others = {**self._found(), **here, BUNDLED: BUNDLED, PYRAMID: PYRAMID}
        chosen = {name: file for name, file in others.items() if name != self.name and self._allows(name)}
        return {self.name: self.weights or BUNDLED, **chosen}

    def _allows(self, name: str) -> bool:
        return not self.allowed or name in self.allowed

    def _found(self) -> dict[str, str]:
        if self.folder is None:
            return {}
        files = sorted(self.folder.rglob("*"))
        found = [path for path in files if any(fnmatchcase(path.name.lower(), pattern) for pattern in PATTERNS)]
        return {str(path.relative_to(self.folder)): str(path) for path in found}


def _load(weights: str | None, device: str, threads: int, network: NetworkOption = "auto") -> Inpainter:
    path = None if weights == PYRAMID else weights_file(weights)
    if path and is_torchscript(path):
        raise FieldError("weights", f"{path} is a TorchScript file, a program: a server runs none")
    return Inpainter.load(weights, device, threads, network=network).for_photos()


@lru_cache(maxsize=1)
def _load_own(weights: str | None, device: str, threads: int, network: NetworkOption) -> Inpainter:
    return _load(weights, device, threads, network)


_others: Loaded[Inpainter] = Loaded()
