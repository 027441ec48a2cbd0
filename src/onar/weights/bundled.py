"""What comes with Onar: photos to try it on, and weights that need no training and no download."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

BUNDLED = "bundled"
"""What `--weights` calls the bundled weights; the same as to name none."""

EXAMPLES = 12
"""Photos that the page offers."""


def bundled_photos() -> Path:
    """Folder of the bundled photos, CC0, which no bundled weights were trained on."""
    return _assets() / "photos"


def example_photos() -> list[Path]:
    """Some of the bundled photos, from all over the list, for the page to offer."""
    photos = sorted(bundled_photos().glob("*.jpg"))
    return photos[:: max(1, len(photos) // EXAMPLES)][:EXAMPLES]


def photo_sources() -> Path:
    """Who made the bundled photos; not among them, where a listing would pass it over."""
    return _assets() / "photos_attribution.md"


def bundled_weights() -> Path:
    """The bundled weights; MODEL_CARD.md beside them says what they were trained on and what they reach."""
    return _assets() / "weights" / "onar.safetensors"


def texture_weights() -> Path:
    """Weights of the network that blends what a generator filled with what was copied from the photo."""
    return _assets() / "weights" / "texture.safetensors"


def bundled_page() -> Path:
    """Folder of the page that `onar serve` shows, built from the folder web of the repository."""
    return _assets() / "page"


def weights_file(weights: str | Path | None) -> Path:
    """The file that `--weights` names; the bundled weights for "bundled" and for nothing."""
    return bundled_weights() if weights is None or str(weights) == BUNDLED else Path(weights)


def _assets() -> Path:
    return Path(str(files("onar"))) / "assets"
