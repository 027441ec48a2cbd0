"""Photos, holes and files that tests make."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onar.imaging.formats.metadata import Metadata
from tests.conftest import PHOTOS

COFFEE = PHOTOS / "skimage_coffee.jpg"


def encode(pixels: NDArray[np.generic] | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """A picture file."""
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def a_photo(height: int = 48, width: int = 64) -> Image.Image:
    return Image.open(COFFEE).convert("RGB").resize((width, height))


def a_hole(height: int = 48, width: int = 64) -> NDArray[np.bool_]:
    hole = np.zeros((height, width), bool)
    hole[height // 3 : height // 2, width // 4 : width // 2] = True
    return hole


def a_mask(height: int = 48, width: int = 64) -> bytes:
    return encode(a_hole(height, width).astype(np.uint8) * 255)


def written(write: Callable[..., None], pixels: NDArray[np.generic], **metadata: Any) -> bytes:
    """A file as `write` writes it."""
    file = io.BytesIO()
    write(file, pixels, Metadata(**metadata))
    return file.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_header(width: int, height: int) -> bytes:
    """A PNG file that says it is this large, and holds no pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
