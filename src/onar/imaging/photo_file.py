"""A photo file with all that belongs to it, to be written again after its holes are filled.

`read_photo_file` keeps the depth of the pixels (8 or 16 bits), grey, alpha, what the file says beside them, and the way
a JPEG was compressed; `write_photo_file` puts them into a file of another or the same format, as far as that can hold
them. What is lost on the way is said in a few words, for people.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import get_sampling

from onar.errors import UsageError
from onar.imaging.decoding import Decoded
from onar.imaging.formats.endings import MAX_SIDE
from onar.imaging.formats.jpeg import set_aspect
from onar.imaging.formats.png import write_png
from onar.imaging.formats.tiff import lost_by_pillow, write_tiff
from onar.imaging.images import (
    PIXEL_LIMIT,
    OpenPicture,
    PhotoBytes,
    PhotoError,
    find_turn,
    map_photo_errors,
    open_picture,
)
from onar.imaging.levels import Pixels, as_8_bits, in_used_bits
from onar.imaging.losses import Loss
from onar.imaging.metadata import Metadata, jpeg_segments, read_metadata
from onar.imaging.writing import replacing_picture

_MAX_SEGMENT_BYTES = 65_533
"""Bytes in a segment of a JPEG file."""
_HELD = {
    "PNG": ("exif", "icc_profile", "dpi", "aspect", "xmp", "text", "colour"),
    "TIFF": ("exif", "icc_profile", "dpi", "aspect", "xmp", "iptc"),
    "JPEG": ("exif", "icc_profile", "dpi", "xmp", "iptc", "comment"),
    "WEBP": ("exif", "icc_profile", "xmp"),
    "BMP": ("dpi",),
}
"""What of `Metadata` each format holds."""


@dataclass(frozen=True)
class Photo:
    """An upright photo and what its file said about it.

    Attributes:
        kind: format of the file, as Pillow names it.
        pixels: uint8 or uint16, H×W (grey) or H×W×3 (RGB).
        alpha: H×W of the same type, 0 = transparent; None for a photo without.
        metadata: what its file said beside the pixels.
        jpeg: options with which Pillow compresses as the photo's own JPEG file was; empty for other files.
        stored_size: width and height as stored, before the photo was set upright.
        count: pictures in its file, of which this is the first.
        losses: what could not be kept in reading, in a few words each.
    """

    kind: str
    pixels: Pixels
    alpha: Pixels | None
    metadata: Metadata
    jpeg: dict[str, Any]
    stored_size: tuple[int, int]
    count: int
    losses: tuple[Loss, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def in_8_bits(self) -> NDArray[np.uint8]:
        """The pixels as uint8 to look at, H×W or H×W×3: of 16 bits, those that the photo uses."""
        return in_used_bits(self.pixels)


# ---------------------------------------------------------------- reading


def read_photo_file(path: Path | PhotoBytes, pixel_limit: int = PIXEL_LIMIT) -> Photo:
    """Read a photo with all that belongs to it; the first picture of a file that holds several.

    Args:
        path: a file in one of the formats of `formats.READABLE`, on disk or in memory.
        pixel_limit: most pixels, looked at before decoding.

    Raises:
        PhotoTooLargeError: the photo has more pixels.
        PhotoError: the file is missing, empty, damaged, or not a picture.
    """
    with open_picture(path, pixel_limit) as opened, map_photo_errors(path):
        image = opened.image
        stored_size = image.size
        image.load()
        turn = find_turn(image)
        decoded = opened.decode(turn)
        height, width = decoded.pixels.shape[:2]
        metadata, losses = read_metadata(opened, width, height, decoded.icc_profile)
        return Photo(
            kind=image.format or "",
            pixels=decoded.pixels,
            alpha=decoded.alpha,
            metadata=metadata,
            jpeg=_jpeg_options(image),
            stored_size=stored_size,
            count=opened.count,
            losses=(
                *opened.losses,
                *_other_pictures(opened),
                *decoded.losses,
                *_lost_by_pillow(opened, decoded),
                *losses,
            ),
        )


def _lost_by_pillow(opened: OpenPicture, decoded: Decoded) -> list[Loss]:
    if opened.page is None or opened.deep is not None:
        return []
    return lost_by_pillow(opened.page, (1 if decoded.pixels.ndim == 2 else 3) + (decoded.alpha is not None))


def count_pictures(path: Path) -> int:
    """How many pictures a file holds; 0 when it is none that can be read."""
    try:
        with open_picture(path) as opened, map_photo_errors(path):
            return opened.count
    except PhotoError:
        return 0


def _other_pictures(opened: OpenPicture) -> list[Loss]:
    if opened.count == 1:
        return []
    return [Loss("second_picture" if opened.image.format == "MPO" else "first_picture", count=opened.count)]


def _jpeg_options(image: Image.Image) -> dict[str, Any]:
    """Quantisation tables and subsampling as the photo's own; Pillow then needs no quality."""
    if image.format not in ("JPEG", "MPO") or image.mode not in ("L", "RGB"):
        return {}
    options = {"qtables": image.quantization, "progressive": bool(image.info.get("progressive"))}  # type: ignore[attr-defined]
    ids = [layer[0] for layer in image.layer]  # type: ignore[attr-defined]
    if image.info.get("adobe_transform") == 0 or ids == list(b"RGB"):  # not Y, Cb and Cr, which other tables suit
        options["keep_rgb"] = image.mode == "RGB"
    # Pillow writes three ways of subsampling; of others, such as 4:4:0, none loses less than any.
    return {**options, "subsampling": max(0, get_sampling(image))}


# ---------------------------------------------------------------- writing


def write_photo_file(path: Path, photo: Photo, *, overwrite: bool = True) -> list[Loss]:
    """Write a photo whole or not at all, in the format the name ends in; see `write_photo`.

    Raises:
        AppearedError: a file is there, and not to be overwritten.
        OnarError: the ending is none of `FORMATS`, or the file cannot be written.
    """
    with replacing_picture(path, overwrite=overwrite) as (temporary, kind), temporary.open("wb+") as file:
        return write_photo(file, kind, photo)


def write_photo(file: BinaryIO, kind: str, photo: Photo) -> list[Loss]:
    """Write a photo into an open file.

    PNG, TIFF, BMP and WebP hold the pixels exactly; PNG and TIFF in 16 bits, too. JPEG does not: with the tables of
    the photo's own JPEG file, or else at quality 95 without subsampling, pixels change by what compression takes.

    Args:
        file: open for reading and writing; it must be seekable.
        kind: one of the values of `FORMATS`.
        photo: what to write.

    Returns:
        What the format cannot hold, in a few words each.

    Raises:
        UsageError: the photo is too large for the format.
    """
    check_fits(photo, kind)
    photo, losses = reduced(photo, kind)
    pixels = photo.pixels if photo.alpha is None else np.dstack([photo.pixels, photo.alpha])
    held = {name: value for name in _HELD[kind] if (value := getattr(photo.metadata, name))}
    if kind == "PNG":
        write_png(file, pixels, **held)
    elif kind == "TIFF":
        write_tiff(file, pixels, **held)
    else:
        Image.fromarray(pixels).save(file, kind, **{**held, **_options(kind, photo)})
    if kind == "JPEG" and photo.metadata.aspect:
        set_aspect(file, photo.metadata.aspect)
    return losses


def check_fits(photo: Photo, kind: str) -> None:
    """Raise `UsageError` for a photo that is too large for a format, which may be asked before holes are filled."""
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
        # Without these, Pillow would take the comment and the XMP of another picture, or none.
        return {**options, "exif": exif, "xmp": b"", "extra": jpeg_segments(photo.metadata)}
    if kind == "WEBP":
        # Not "exact", WebP would change the colours under transparent pixels; more effort gains 1 % in 3 times as long.
        return {"lossless": True, "exact": True, "quality": 20}
    return {}


def reduced(photo: Photo, kind: str) -> tuple[Photo, list[Loss]]:
    """The photo without what a format cannot hold, and what that is."""
    losses = []
    if kind not in ("PNG", "TIFF") and photo.pixels.dtype != np.uint8:
        alpha = None if photo.alpha is None else as_8_bits(photo.alpha)
        photo = replace(photo, pixels=as_8_bits(photo.pixels), alpha=alpha)
        losses.append(Loss("no_bits", kind=kind))
    if kind in ("JPEG", "BMP") and photo.alpha is not None:
        photo = replace(photo, alpha=None)
        losses.append(Loss("no_alpha", kind=kind))
    metadata = photo.metadata
    for name in ("exif", "icc_profile", "xmp", "iptc", "comment", "text", "colour"):
        if getattr(metadata, name) and name not in _HELD[kind]:
            losses += [] if name == "colour" and metadata.is_srgb else [Loss(f"no_{name}", kind=kind)]
            metadata = metadata.without(name)
    if kind == "JPEG":
        for name, prefix in (("exif", 6), ("xmp", 29), ("iptc", 27)):
            if len(getattr(metadata, name)) + prefix > _MAX_SEGMENT_BYTES:
                losses.append(Loss(f"much_{name}", kind=kind))
                metadata = metadata.without(name)
    if kind == "WEBP" and photo.pixels.ndim == 2:  # WebP holds RGB only, which a grey profile does not fit
        metadata = metadata.without("icc_profile")
    return replace(photo, metadata=metadata), losses
