"""Bundled files: photos to try it on, and weights that need no training and no download."""

from __future__ import annotations

from pathlib import Path

from onar.weights.catalogue import CATALOGUE

BUNDLED = "bundled"  # name of the bundled weights for `--weights`, and its default
PYRAMID = "pyramid"  # name of the pyramid fill for `--weights`, which has no file
EXAMPLES = 12  # number of photos that the page offers


def bundled_photos() -> Path:
    """Folder of the bundled photos, CC0, which no bundled weights were trained on."""
    return _assets() / "photos"


def example_photos() -> list[Path]:
    """Some of the bundled photos, from all over the list, for the page to offer."""
    photos = sorted(bundled_photos().glob("*.jpg"))
    return photos[:: max(1, len(photos) // EXAMPLES)][:EXAMPLES]


def photo_sources() -> Path:
    """Authors of the bundled photos; a file beside their folder, so that listings do not skip it."""
    return _assets() / "photos_attribution.md"


def bundled_weights() -> Path:
    """The bundled generator; MODEL_CARD.md beside it has its training data and scores.

    >>> bundled_weights().name
    'onar.onnx'
    """
    return _assets() / "weights" / "onar.onnx"


def texture_weights() -> Path:
    """The bundled `TextureBlend`."""
    return _assets() / "weights" / "texture.onnx"


def finder_weights() -> Path:
    """The bundled network that finds scratches and dust; its card is beside it."""
    return _assets() / "weights" / "finder.onnx"


def bundled_page() -> Path:
    """Folder of the page that `onar serve` shows, built from the folder web of the repository."""
    return _assets() / "page"


def weights_file(weights: str | Path | None) -> Path:
    """The file that `--weights` names; the bundled weights for "bundled" and for nothing.

    A name in `CATALOGUE` is that of downloaded weights, unless a file has it; raises `OnarError` if they are not here.
    """
    if weights is None or str(weights) == BUNDLED:
        return bundled_weights()
    if str(weights) in CATALOGUE and not Path(weights).exists():
        from onar.weights.store import downloaded

        return downloaded(str(weights))
    return Path(weights)


def _assets() -> Path:
    return Path(__file__).parents[1] / "assets"
