"""Descriptions of weights in one line, with their licences, to choose among them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from onar.weights.bundled import BUNDLED, PYRAMID, bundled_weights
from onar.weights.catalogue import CATALOGUE
from onar.weights.metadata import is_public_onnx
from onar.weights.store import store_folder

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
        kind: of `ABOUT`, or that of a public network; the page has a line in each language for it.
        about: what they are good for, in one line.
        licence: as their authors name it; None for weights that a user trained.
    """

    name: str
    kind: str
    about: str
    licence: str | None


def describe(name: str, path: Path | None) -> WeightsChoice:
    """The choice of the weights in a file, or of none for the pyramid fill."""
    if path is None:
        return WeightsChoice(name, PYRAMID, ABOUT[PYRAMID], None)
    if path == bundled_weights():
        return WeightsChoice(name, BUNDLED, ABOUT[BUNDLED], "MIT")
    try:
        file = path.stat()
        return _describe_file(name, path, file.st_size, file.st_mtime)
    except OSError:  # removed since; choosing them fails with an error
        return WeightsChoice(name, TRAINED, ABOUT[TRAINED], None)


@lru_cache(maxsize=1000)
def _describe_file(name: str, path: Path, size: int, _changed: float) -> WeightsChoice:
    """The choice of a file; one of the name and size of a public network is taken for it."""
    known = next((one for one in CATALOGUE.values() if one.file == path.name), None)
    if known and (size == known.size or path.parent == store_folder()):
        return WeightsChoice(name, known.network, known.purpose, known.licence)
    if is_public_onnx(path):
        return WeightsChoice(name, PUBLIC, ABOUT[PUBLIC], OF_AUTHORS)
    return WeightsChoice(name, TRAINED, ABOUT[TRAINED], None)
