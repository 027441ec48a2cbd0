"""One upload completed, in memory from its first byte to its last."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

from PIL import Image

from onar.errors import UsageError
from onar.imaging.images import FORMATS, PhotoBytes, read_mask
from onar.imaging.levels import Pixels
from onar.imaging.photo_file import Photo, read_photo_file, write_photo
from onar.inference.holes import check_size, doubts, fill_visible, find_holes
from onar.inference.inpainter import Inpainter
from onar.masks import Holes
from onar.serve.config import ServeConfig
from onar.serve.uploads import Upload

_OTHER_KINDS = {"MPO": "JPEG", "GIF": "PNG", "AVIF": "PNG", "HEIF": "PNG"}
"""What photos are written as when their own format cannot be written."""


@dataclass(frozen=True)
class Answer:
    """A completed photo.

    Attributes:
        content: a file.
        media_type: of the file.
        ending: of a name for the file, with its dot.
        notes: what a person should know, one line each.
    """

    content: bytes
    media_type: str
    ending: str
    notes: list[str]


def written_kind(photo: Photo) -> str:
    """The format in which a completed photo is written: its own, or what is nearest to one that Onar only reads."""
    return _OTHER_KINDS.get(photo.kind, photo.kind)


def usual_ending(kind: str) -> str:
    """The ending, with its dot, of names of files in a format."""
    return next(ending for ending, name in FORMATS.items() if name == kind)


def complete_upload(upload: Upload, inpainter: Inpainter, config: ServeConfig) -> Answer:
    """Fill the holes of a photo.

    Raises:
        PhotoError: photo or mask cannot be read, or has too many pixels.
        SizesDifferError: they are not of one size.
        UsageError: the strategy asks for too much memory.
    """
    limit = int(config.max_megapixels * 1_000_000)
    photo = read_photo_file(PhotoBytes("the photo", upload.photo), limit)
    mask = read_mask(PhotoBytes("the mask", upload.mask), limit)
    hole = find_holes(mask, invert=upload.invert_mask, dilate=upload.dilate)
    check_size(hole, photo)
    if upload.strategy == "whole" and hole.size > config.max_whole_megapixels * 1_000_000:
        raise UsageError(f"strategy whole is for photos of up to {config.max_whole_megapixels:g} megapixels here")

    options = {name: getattr(upload, name) for name in ("strategy", "feather", "texture", "seed")}

    def complete(pixels: Pixels, unknown: Holes) -> Pixels:
        return inpainter(pixels, unknown, **options)

    kind = written_kind(photo) if upload.format == "same" else upload.format.upper()
    notes: list[str] = [*photo.losses, *doubts(mask, hole, upload.invert_mask, "invert_mask")]
    if hole.any():
        photo = replace(photo, pixels=fill_visible(photo.pixels, photo.alpha, hole, complete))
    elif kind == ("JPEG" if photo.kind == "MPO" else photo.kind):
        return _answer(upload.photo, kind, doubts(mask, hole, upload.invert_mask, "invert_mask"))
    return _encode(photo, kind, notes)


def _encode(photo: Photo, kind: str, notes: list[str]) -> Answer:
    file = io.BytesIO()
    try:
        losses = write_photo(file, kind, photo)
    except ValueError as error:
        raise UsageError(f"format {kind.lower()} cannot hold this photo: {error}") from error
    return _answer(file.getvalue(), kind, [*notes, *losses])


def _answer(content: bytes, kind: str, notes: list[str]) -> Answer:
    return Answer(content, Image.MIME[kind], usual_ending(kind), notes)
