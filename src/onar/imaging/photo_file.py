"""Read a photo file with its metadata, and write it again after its holes are filled.

`read_photo_file` keeps the bit depth (8 or 16), grey, alpha, metadata, and the compression of a JPEG;
`write_photo_file` writes them in the same or another format, as far as it supports them. A JPEG that stays one keeps
the coefficients of all blocks without a filled pixel. Losses are reported as messages.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import get_sampling

from onar.errors import UsageError
from onar.imaging.formats import exif as exif_block
from onar.imaging.formats import jpeg_blocks, xmp
from onar.imaging.formats.endings import MAX_SIDE
from onar.imaging.formats.jpeg import set_aspect
from onar.imaging.formats.metadata import Metadata
from onar.imaging.formats.png import write_png
from onar.imaging.formats.tiff import lost_by_pillow, write_tiff
from onar.imaging.images import PIXEL_LIMIT, OpenPicture, PhotoBytes, PhotoError, map_photo_errors, open_picture
from onar.imaging.levels import Pixels, as_8_bits, in_used_bits
from onar.imaging.losses import Loss
from onar.imaging.metadata import jpeg_segments, read_metadata
from onar.imaging.orientation import find_turn, orientation_of, stored_pixels
from onar.imaging.writing import replacing_picture

_MAX_SEGMENT_BYTES = 65_533
"""Maximum content of a JPEG segment."""
_HELD = {
    "PNG": ("exif", "icc_profile", "dpi", "aspect", "xmp", "text", "colour"),
    "TIFF": ("exif", "icc_profile", "dpi", "aspect", "xmp", "iptc"),
    "JPEG": ("exif", "icc_profile", "dpi", "xmp", "iptc", "comment"),
    "WEBP": ("exif", "icc_profile", "xmp"),
    "BMP": ("dpi",),
}
"""Fields of `Metadata` that each format supports."""
_DEEP = ("PNG", "TIFF")
"""Formats that hold 16 bits."""
_OPAQUE = ("JPEG", "BMP")
"""Formats without transparency."""


@dataclass(frozen=True)
class StoredJpeg:
    """The JPEG file that a photo was read from, to be read again when the photo is written.

    Attributes:
        path: the file.
        version: its size and time of modification, which show that it is another file by now; None in memory.
        orientation: of its EXIF, 1 to 8.
    """

    path: Path | PhotoBytes
    version: tuple[int, int] | None
    orientation: int

    def read(self) -> bytes | None:
        """The file's content; None if it is gone or another."""
        if isinstance(self.path, PhotoBytes):
            return self.path.content
        try:
            return self.path.read_bytes() if _version(self.path) == self.version else None
        except OSError:
            return None


def _version(path: Path | PhotoBytes) -> tuple[int, int] | None:
    if isinstance(path, PhotoBytes):
        return None
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


@dataclass(frozen=True)
class Photo:
    """An upright photo with its metadata.

    Attributes:
        kind: format of the file, by its Pillow name.
        pixels: uint8 or uint16, H×W (grey) or H×W×3 (RGB).
        alpha: H×W of the same type, 0 = transparent; None if there is none.
        metadata: metadata of the file.
        jpeg: Pillow's options for the compression of the photo's own JPEG file; empty for other files.
        stored: the photo's own JPEG file; None for other files.
        changed: bool H×W, the pixels that may differ from the file's; None for all.
        stored_size: width and height as stored, not upright.
        count: number of pictures in the file; this is the first.
        losses: data that could not be read.
    """

    kind: str
    pixels: Pixels
    alpha: Pixels | None
    metadata: Metadata
    jpeg: dict[str, Any]
    stored_size: tuple[int, int]
    count: int
    losses: tuple[Loss, ...]
    stored: StoredJpeg | None = None
    changed: NDArray[np.bool_] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def in_8_bits(self) -> NDArray[np.uint8]:
        """The pixels as uint8, H×W or H×W×3: the used ones of 16 bits."""
        return in_used_bits(self.pixels)

    def framed(self, pixels: Pixels, alpha: Pixels | None) -> Photo:
        """The photo with another frame: its pixels, and its metadata with their size.

        Blocks of its JPEG file are not kept, because they lie elsewhere.
        """
        height, width = pixels.shape[:2]
        exif = self.metadata.exif and exif_block.upright(self.metadata.exif, width, height)
        changed = np.ones((height, width), bool)
        return replace(self, pixels=pixels, alpha=alpha, changed=changed, metadata=replace(self.metadata, exif=exif))


# ---------------------------------------------------------------- reading


def read_photo_file(path: Path | PhotoBytes, pixel_limit: int = PIXEL_LIMIT) -> Photo:
    """Read a photo with its metadata; the first picture of a file with several. Raises as `open_picture`."""
    with open_picture(path, pixel_limit) as opened, map_photo_errors(path):
        image = opened.image
        stored_size = image.size
        image.load()
        turn = find_turn(image)
        decoded = opened.decode(turn)
        height, width = decoded.pixels.shape[:2]
        metadata, losses = read_metadata(opened, width, height, decoded.icc_profile)
        if opened.page is not None and opened.deep is None:
            channels = (1 if decoded.pixels.ndim == 2 else 3) + (decoded.alpha is not None)
            losses = lost_by_pillow(opened.page, channels) + losses
        return Photo(
            kind=image.format or "",
            pixels=decoded.pixels,
            alpha=decoded.alpha,
            metadata=metadata,
            jpeg=_jpeg_options(image),
            stored_size=stored_size,
            count=opened.count,
            losses=(*opened.losses, *_other_pictures(opened), *decoded.losses, *losses),
            stored=StoredJpeg(path, _version(path), orientation_of(turn)) if _is_jpeg(image) else None,
        )


def count_pictures(path: Path) -> int:
    """Number of pictures in a file; 0 if it cannot be read."""
    try:
        with open_picture(path) as opened, map_photo_errors(path):
            return opened.count
    except PhotoError:
        return 0


def _other_pictures(opened: OpenPicture) -> list[Loss]:
    if opened.count == 1:
        return []
    return [Loss("second_picture" if opened.image.format == "MPO" else "first_picture", count=opened.count)]


def _is_jpeg(image: Image.Image) -> bool:
    return image.format in ("JPEG", "MPO") and image.mode in ("L", "RGB")


def _jpeg_options(image: Image.Image) -> dict[str, Any]:
    """Pillow's options with the quantisation tables and subsampling of the photo."""
    if not _is_jpeg(image):
        return {}
    options = {"qtables": image.quantization, "progressive": bool(image.info.get("progressive"))}  # type: ignore[attr-defined]
    ids = [layer[0] for layer in image.layer]  # type: ignore[attr-defined]
    if image.info.get("adobe_transform") == 0 or ids == list(b"RGB"):  # RGB, whose tables do not suit YCbCr
        options["keep_rgb"] = image.mode == "RGB"
    # Pillow writes three subsamplings; others, such as 4:4:0, become 4:4:4, which loses least.
    return {**options, "subsampling": max(0, get_sampling(image))}


# ---------------------------------------------------------------- writing


def write_photo_file(path: Path, photo: Photo, *, overwrite: bool = True) -> list[Loss]:
    """Write a photo atomically, in the format of the file's ending; see `write_photo`. Raises as `write_image`."""
    with replacing_picture(path, overwrite=overwrite) as (temporary, kind), temporary.open("wb+") as file:
        return write_photo(file, kind, photo)


def write_photo(file: BinaryIO, kind: str, photo: Photo) -> list[Loss]:
    """Write a photo into a seekable file open for reading and writing; returns data that the format does not support.

    PNG, TIFF, BMP and WebP are lossless; PNG and TIFF also hold 16 bits. JPEG is lossy, but a photo from a JPEG file
    keeps the coefficients of its blocks without changed pixels, and its orientation; where that is impossible, it uses
    the tables of that file. Others get quality 95 without subsampling. Raises as `check_fits`.
    """
    check_fits(photo, kind)
    losses, photo = format_losses(photo, kind), _reduced(photo, kind)
    if kind in _DEEP:
        pixels = photo.pixels if photo.alpha is None else np.dstack([photo.pixels, photo.alpha])
        (write_png if kind == "PNG" else write_tiff)(file, pixels, photo.metadata)
        return losses
    kept = _keep_blocks(photo) if kind == "JPEG" else None
    if kept is None:
        _write_by_pillow(file, kind, photo, photo.pixels)
        losses += [Loss("compresses")] if kind == "JPEG" and photo.stored and photo.changed is not None else []
    else:
        file.write(kept)
    if kind == "JPEG" and photo.metadata.aspect:
        set_aspect(file, photo.metadata.aspect)
    return losses


def _write_by_pillow(file: BinaryIO, kind: str, photo: Photo, pixels: NDArray[np.uint8]) -> None:
    pixels = pixels if photo.alpha is None else np.dstack([pixels, photo.alpha])
    held = {name: value for name in _HELD[kind] if (value := getattr(photo.metadata, name))}
    Image.fromarray(pixels).save(file, kind, **{**held, **_options(kind, photo)})


def _keep_blocks(photo: Photo) -> bytes | None:
    """A JPEG file with the metadata of a photo and the blocks of its own file; None if that is impossible."""
    if photo.stored is None or photo.changed is None or not jpeg_blocks.can_keep_blocks():
        return None
    content, orientation = photo.stored.read(), photo.stored.orientation
    if content is None:
        return None
    pixels, changed = (np.ascontiguousarray(stored_pixels(each, orientation)) for each in (photo.pixels, photo.changed))
    blocks = jpeg_blocks.with_changed_pixels(content, pixels, changed)
    if blocks is None:
        return None
    start = io.BytesIO()
    described = replace(photo, metadata=_as_stored(photo.metadata, orientation, photo.stored_size))
    _write_by_pillow(start, "JPEG", described, np.zeros((8, 8, *pixels.shape[2:]), np.uint8))
    return blocks[:2] + jpeg_blocks.header_segments(start.getvalue()) + blocks[2:]


def _as_stored(metadata: Metadata, orientation: int, size: tuple[int, int]) -> Metadata:
    """Metadata for the photo as stored, of this width and height."""
    if orientation == 1:
        return metadata
    exif = metadata.exif and exif_block.set_orientation(metadata.exif, *size, orientation)
    return replace(metadata, exif=exif, xmp=xmp.set_orientation(metadata.xmp, orientation))


def check_fits(photo: Photo, kind: str) -> None:
    """Raise `UsageError` if a photo is too large for a format; for a check before its holes are filled."""
    height, width = photo.pixels.shape[:2]
    most = MAX_SIDE.get(kind)
    if most is not None and max(height, width) > most:
        raise UsageError(
            f"{kind} holds up to {most:,} pixels a side, and the photo has {width:,} x {height:,}: choose PNG or TIFF"
        )


def _options(kind: str, photo: Photo) -> dict[str, Any]:
    if kind == "JPEG":
        options = photo.jpeg or {"quality": 95, "subsampling": 0}
        exif = b"Exif\0\0" + photo.metadata.exif if photo.metadata.exif else b""
        # Otherwise Pillow would write the comment and the XMP of another picture.
        return {**options, "exif": exif, "xmp": b"", "extra": jpeg_segments(photo.metadata)}
    if kind == "WEBP":
        # Without "exact", WebP changes the colours of transparent pixels. More effort saves 1 % in 3 times as long.
        return {"lossless": True, "exact": True, "quality": 20}
    return {}


def format_losses(photo: Photo, kind: str) -> list[Loss]:
    """Data of a photo that a format does not support, by its types and metadata: no pixel is read."""
    losses, metadata = [], photo.metadata
    if kind not in _DEEP and photo.pixels.dtype != np.uint8:
        losses.append(Loss("no_bits", kind=kind))
    if kind in _OPAQUE and photo.alpha is not None:
        losses.append(Loss("no_alpha", kind=kind))
    for name in ("exif", "icc_profile", "xmp", "iptc", "comment", "text", "colour"):
        is_lost = getattr(metadata, name) and name not in _HELD[kind]
        if is_lost and not (name == "colour" and metadata.is_srgb):
            losses.append(Loss(f"no_{name}", kind=kind))
    return [*losses, *(Loss(f"much_{name}", kind=kind) for name in _too_long(metadata, kind))]


def _reduced(photo: Photo, kind: str) -> Photo:
    """Drop the pixels' data and the metadata that `format_losses` names."""
    pixels, alpha, metadata = photo.pixels, None if kind in _OPAQUE else photo.alpha, photo.metadata
    if kind not in _DEEP:
        pixels, alpha = as_8_bits(pixels), None if alpha is None else as_8_bits(alpha)
    for name in _too_long(metadata, kind):
        metadata = metadata.without(name)
    if kind == "WEBP" and pixels.ndim == 2:  # WebP has RGB only, and a grey profile does not fit
        metadata = metadata.without("icc_profile")
    return replace(photo, pixels=pixels, alpha=alpha, metadata=metadata)


def _too_long(metadata: Metadata, kind: str) -> list[str]:
    """Metadata that do not fit into the segments of a format."""
    prefixes = {"exif": 6, "xmp": 29, "iptc": 27} if kind == "JPEG" else {}
    return [name for name, prefix in prefixes.items() if len(getattr(metadata, name)) + prefix > _MAX_SEGMENT_BYTES]
