"""The weights to choose from on the page."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from onar.errors import OnarError, printable
from onar.inference.inpainter import PYRAMID, Inpainter
from onar.serve.errors import UnknownWeightsError
from onar.settings.networks import NetworkOption
from onar.weights.bundled import BUNDLED

PATTERNS = ("generator_*.pth", "*.safetensors", "*.onnx")
"""Of names in lower case."""


@dataclass(frozen=True)
class WeightsShelf:
    """Weights by name: the server's own, those in a folder, the bundled ones, and "pyramid" for none.

    Loaded weights are cached per process: the server's own, and the most recently used others. So a shelf can be
    pickled and sent to the process that loads them. Except for `folder`, its fields are arguments of `Inpainter.load`.
    """

    weights: str | None
    device: str = "auto"
    folder: Path | None = None
    threads: int = 0
    network: NetworkOption = "auto"

    def __post_init__(self) -> None:
        if self.folder is not None and not self.folder.is_dir():
            raise OnarError(f"--weights_dir {self.folder}: no such folder")

    @property
    def name(self) -> str:
        """Name of the server's own weights."""
        return Path(self.weights or BUNDLED).name

    def names(self) -> list[str]:
        """The names available now, the server's own weights first."""
        return list(dict.fromkeys([self.name, *self._found(), BUNDLED, PYRAMID]))

    def load(self) -> str:
        """Load the server's own weights; returns their description, or raises `OnarError`."""
        return self._own().description

    def choose(self, name: str = "") -> Inpainter:
        """The inpainter with the named weights, by default the server's own; raises `UnknownWeightsError` for others.

        If they cannot be loaded, it raises `OnarError`, and the reason, which may name paths, is in the log.
        """
        if name in ("", self.name):
            return self._own()
        if name in (BUNDLED, PYRAMID):
            return _load_other(name, self.device, self.threads, 0.0)
        path = self._found().get(name)
        if path is None:
            raise UnknownWeightsError(f"there are no weights named {printable(name)}")
        try:
            return _load_other(str(path), self.device, self.threads, path.stat().st_mtime)
        except (OnarError, OSError) as error:
            logging.getLogger(__name__).error("weights that were chosen on the page: %s", error)
            raise OnarError(f"the weights {printable(name)} cannot be loaded; the server's log says more") from error

    def _own(self) -> Inpainter:
        return _load_own(self.weights, self.device, self.threads, self.network)

    def _found(self) -> dict[str, Path]:
        if self.folder is None:
            return {}
        files = sorted(self.folder.rglob("*"))
        found = [path for path in files if any(fnmatchcase(path.name.lower(), pattern) for pattern in PATTERNS)]
        return {str(path.relative_to(self.folder)): path for path in found}


@lru_cache(maxsize=1)
def _load_own(weights: str | None, device: str, threads: int, network: NetworkOption) -> Inpainter:
    return Inpainter.load(weights, device, threads, network=network).for_photos()


@lru_cache(maxsize=1)
def _load_other(weights: str, device: str, threads: int, _changed: float) -> Inpainter:
    return Inpainter.load(weights, device, threads).for_photos()
