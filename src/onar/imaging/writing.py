"""Writing arrays as picture files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onar.errors import OnarError, printable
from onar.imaging.formats.endings import FORMATS, ending_of
from onar.system.files import replacing

_WRITE_OPTIONS: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}


def write_image(path: Path, pixels: NDArray[np.uint8], *, overwrite: bool = True) -> None:
    """Write uint8 H×W (grey) or H×W×3 (RGB) atomically, in the format of the file's ending; its folder is created.

    JPEG is written at quality 95 without chroma subsampling, WebP lossless.

    Raises:
        AppearedError: the file exists, and `overwrite` is False.
        OnarError: the ending is none of `FORMATS`, or the file cannot be written.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "grey.png"
    >>> write_image(file, np.full((2, 3), 128, np.uint8))
    >>> Image.open(file).size
    (3, 2)
    """
    with replacing_picture(path, overwrite=overwrite) as (temporary, kind):
        Image.fromarray(pixels).save(temporary, kind, **_WRITE_OPTIONS.get(kind, {}))


@contextmanager
def replacing_picture(path: Path, *, overwrite: bool = True) -> Iterator[tuple[Path, str]]:
    """As `files.replacing`, with the format of the file's ending, a value of `FORMATS`; raises as `write_image`."""
    kind = FORMATS.get(ending_of(path.name))
    if kind is None:
        raise OnarError(f"cannot write {printable(path)}: its name must end in one of {' '.join(FORMATS)}")
    try:
        with replacing(path, overwrite=overwrite) as temporary:
            yield temporary, kind
    except ValueError as error:  # Pillow's error for a picture too large for the format
        raise OnarError(f"cannot write {printable(path)}: {error}") from error
