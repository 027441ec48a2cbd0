"""The weights a person can choose from on the page."""

from __future__ import annotations

import logging
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from onar.bundled import BUNDLED
from onar.errors import OnarError, UsageError, printable
from onar.inference.inpainter import PYRAMID, Inpainter

PATTERNS = ("generator_*.pth", "*.safetensors", "*.onnx")
"""Of names in lower case."""


class WeightsShelf:
    """Weights by name: those the server has loaded, those in a folder, the bundled ones, and "pyramid" for none.

    Of the weights in the folder the last ones used stay loaded. `choose` is for one thread at a time.

    Args:
        inpainter: what the server has loaded.
        name: what that is called.
        device: where others run: "auto", "cpu", "cuda" or "mps".
        folder: where to look for weights, with all its subfolders; None for nowhere.

    Attributes:
        name: what the weights are called that the server has loaded.

    Raises:
        OnarError: there is no such folder.
    """

    def __init__(self, inpainter: Inpainter, name: str, device: str, folder: Path | None) -> None:
        if folder is not None and not folder.is_dir():
            raise OnarError(f"--weights_dir {folder}: no such folder")
        self._inpainter = inpainter
        self.name = name
        self._folder = folder
        self._load = lru_cache(maxsize=1)(lambda path, _changed: Inpainter.load(path, device).for_photos())

    def names(self) -> list[str]:
        """What there is now, the server's own weights first."""
        return list(dict.fromkeys([self.name, *self._found(), BUNDLED, PYRAMID]))

    def choose(self, name: str = "") -> Inpainter:
        """What fills holes with the weights that are named; nothing names the server's own.

        Raises:
            UsageError: there are no such weights any more.
            OnarError: they cannot be loaded. The reason, which names places on this computer, is in the log.
        """
        if name in ("", self.name):
            return self._inpainter
        if name in (BUNDLED, PYRAMID):
            return self._load(name, 0.0)
        path = self._found().get(name)
        if path is None:
            raise UsageError(f"there are no weights {printable(name)} any more")
        try:
            return self._load(path, path.stat().st_mtime)
        except (OnarError, OSError) as error:
            logging.getLogger(__name__).error("weights that were chosen on the page: %s", error)
            raise OnarError(f"the weights {printable(name)} cannot be loaded; the server's log says more") from error

    def _found(self) -> dict[str, Path]:
        if self._folder is None:
            return {}
        files = sorted(self._folder.rglob("*"))
        found = [path for path in files if any(fnmatchcase(path.name.lower(), pattern) for pattern in PATTERNS)]
        return {str(path.relative_to(self._folder)): path for path in found}
