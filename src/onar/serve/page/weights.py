"""The weights a person can choose from on the page."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from onar.bundled import BUNDLED
from onar.errors import OnarError
from onar.imaging.images import EightBits
from onar.inference.inpainter import PYRAMID, Inpainter
from onar.masks import Holes

PATTERNS = ("generator_*.pth", "*.safetensors", "*.onnx")


class WeightsShelf:
    """Weights by name: those the server has loaded, those in a folder, the bundled ones, and "pyramid" for none.

    Of the weights in the folder the last ones used stay loaded. `complete` is for one thread at a time.

    Args:
        inpainter: what the server has loaded.
        name: what that is called.
        device: where others run: "auto", "cpu", "cuda" or "mps".
        folder: where to look for weights, with all its subfolders; None for nowhere.

    Raises:
        OnarError: there is no such folder.
    """

    def __init__(self, inpainter: Inpainter, name: str, device: str, folder: Path | None) -> None:
        if folder is not None and not folder.is_dir():
            raise OnarError(f"--weights_dir {folder}: no such folder")
        self._inpainter = inpainter
        self._name = name
        self._folder = folder
        self._load = lru_cache(maxsize=1)(lambda path, _changed: Inpainter.load(path, device))

    def names(self) -> list[str]:
        """What there is now, the server's own weights first."""
        return list(dict.fromkeys([self._name, *self._found(), BUNDLED, PYRAMID]))

    def complete(self, photo: EightBits, hole: Holes, name: str, texture: str = "auto", seed: int = 0) -> EightBits:
        """Fill the holes of a photo, uint8 H×W or H×W×3, with the weights that are named; see `Inpainter`.

        Raises:
            OnarError: there are no such weights any more, or they cannot be read.
        """
        return self._choose(name)(photo, hole, texture=texture, seed=seed)

    def _choose(self, name: str) -> Inpainter:
        if name == self._name:
            return self._inpainter
        if name in (BUNDLED, PYRAMID):
            return self._load(name, 0.0)
        path = self._found().get(name)
        if path is None:
            raise OnarError(f"there are no weights {name} any more")
        return self._load(path, path.stat().st_mtime)

    def _found(self) -> dict[str, Path]:
        if self._folder is None:
            return {}
        found = sorted(path for pattern in PATTERNS for path in self._folder.rglob(pattern))
        return {str(path.relative_to(self._folder)): path for path in found}
