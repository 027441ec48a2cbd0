"""The photo on one open page, and its files; between two clicks there is nothing else of it."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from onar.imaging.images import EightBits
from onar.imaging.losses import Loss
from onar.imaging.metadata import Metadata
from onar.serve.page.painting import view_size
from onar.serve.page.problems import PageError


@dataclass(frozen=True)
class Session:
    """The photo on one open page.

    Attributes:
        folder: for the files of this photo; removed with it.
        photo: what is painted on: the file that came in, later a copy of the filled photo that lost nothing.
        view: the photo as it is shown to be painted on.
        name: the name of the file that came in.
        ending: of the name of the filled file; it is in the format of the file that came in.
        height: rows of the photo.
        width: columns of the photo.
        jpeg: how the file that came in was compressed, as in `Photo`.
        metadata: what that file said beside its pixels.
        losses: what of that file could not be kept.
        mask: mask file of the photo's size that the painting started from.
        inverted: whether that mask is meant the other way round.
    """

    folder: Path
    photo: Path
    view: Path
    name: str
    ending: str
    height: int
    width: int
    jpeg: dict[str, Any] = field(repr=False)
    metadata: Metadata = field(repr=False)
    losses: tuple[Loss, ...] = ()
    mask: Path | None = None
    inverted: bool = False

    @property
    def view_size(self) -> tuple[int, int]:
        """Height and width of the view that is painted on."""
        return view_size(self.height, self.width)

    @property
    def filled(self) -> Path:
        """A copy of the filled photo that lost nothing."""
        return self.folder / "filled.png"

    def output(self, word: str, ending: str) -> Path:
        """A file to be downloaded, named after the photo."""
        return self.folder / f"{Path(self.name).stem}_{word}{ending}"

    def close(self) -> None:
        """Remove the session's own files."""
        shutil.rmtree(self.folder, ignore_errors=True)


def there(path: Path) -> Path:
    """A file of the page, unless it has been removed meanwhile."""
    if not path.is_file():
        raise PageError("gone")
    return path


def save_picture(folder: Path, pixels: EightBits) -> Path:
    """Write a picture for a browser, under a name of its own: browsers keep what they have seen under a name."""
    folder.mkdir(exist_ok=True)
    descriptor, name = tempfile.mkstemp(suffix=".png", dir=folder)
    with open(descriptor, "wb") as file:
        Image.fromarray(pixels).save(file, "PNG")
    return Path(name)
