"""One upload completed, in memory from its first byte to its last."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onar.errors import UsageError, printable
from onar.imaging.formats.endings import FORMATS
from onar.imaging.images import PhotoBytes, read_mask
from onar.imaging.levels import Pixels
from onar.imaging.losses import Loss
from onar.imaging.photo_file import Photo, check_fits, read_photo_file, write_photo
from onar.inference.holes import ALPHA, check_size, doubts, fill_visible, find_holes, mask_of_alpha
from onar.inference.inpainter import Inpainter
from onar.masks.holes import Holes
from onar.serve.child import expecting
from onar.serve.config import ServeConfig
from onar.serve.effort import cpu_seconds
from onar.serve.http.uploads import Filling, Upload
from onar.serve.weights import WeightsShelf

_OTHER_KINDS = {"MPO": "JPEG", "GIF": "PNG", "AVIF": "PNG", "HEIF": "PNG"}
"""What photos are written as when their own format cannot be written."""


@dataclass(frozen=True)
class Answer:
    """A file for a client.

    Attributes:
        content: of the file.
        media_type: of the file.
        headers: what a client is told beside it.
    """

    content: bytes
    media_type: str
    headers: dict[str, str]


def complete_upload(upload: Upload, shelf: WeightsShelf, config: ServeConfig) -> Answer:
    """Fill the holes of a photo.

    Raises:
        PhotoError: photo or mask cannot be read, or has too many pixels.
        SizesDifferError: they are not of one size.
        UsageError: the strategy asks for too much memory, the format holds no photo so large, or nothing is
            transparent where that is the mask.
        TooMuchWorkError: it would take more than the time allowed.
    """
    photo = read_photo_file(PhotoBytes("the photo", upload.photo), config.pixel_limit)
    photo, mask = _with_mask(photo, upload, config)
    hole = find_holes(mask, invert=upload.invert_mask, dilate=upload.dilate)
    check_size(hole, photo)
    doubted = doubts(mask, hole, upload.invert_mask, "invert_mask")
    if not hole.any() and is_own_kind(photo, upload.format):
        return _with_notes(photo_answer(upload.photo, written_kind(photo)), doubted)
    check_fits(photo, written_kind(photo, upload.format))
    if hole.any():
        complete = filling(upload, shelf.choose(), config, hole.size)
        pixels = fill_visible(photo.pixels, photo.alpha, hole, complete)
    else:
        pixels = photo.pixels
    answer, losses = encode(replace(photo, pixels=pixels), upload.format)
    return _with_notes(answer, [*photo.losses, *doubted, *losses])


def _with_mask(photo: Photo, upload: Upload, config: ServeConfig) -> tuple[Photo, NDArray[np.uint8]]:
    """A photo and its mask; the photo is opaque where its own transparency is the mask."""
    if upload.mask != ALPHA:
        return photo, read_mask(PhotoBytes("the mask", upload.mask), config.pixel_limit)
    if photo.alpha is None:
        raise UsageError(f"nothing is transparent in the photo, so mask {ALPHA} finds no hole")
    return replace(photo, alpha=None), mask_of_alpha(photo.alpha)


def filling(
    options: Filling, inpainter: Inpainter, config: ServeConfig, size: int
) -> Callable[[Pixels, Holes], Pixels]:
    """What fills holes of a photo of so many pixels as a client asked for.

    Raises:
        UsageError: the strategy asks for too much memory.
        TooMuchWorkError: it would take more than the time allowed; raised by what is returned.
    """
    if options.strategy == "whole" and size > config.max_whole_megapixels * 1_000_000:
        raise UsageError(f"strategy whole is for photos of up to {config.max_whole_megapixels:g} megapixels here")
    asked = {name: getattr(options, name) for name in Filling.model_fields}

    def complete(pixels: Pixels, unknown: Holes) -> Pixels:
        with expecting(cpu_seconds(unknown, inpainter.copies(options.texture))):
            return inpainter(pixels, unknown, **asked)

    return complete


# ---------------------------------------------------------------- photos as answers


def written_kind(photo: Photo, format_name: str = "same") -> str:
    """The format a photo is written in: the one that is named; for "same" its own, or what is nearest to that."""
    return _OTHER_KINDS.get(photo.kind, photo.kind) if format_name == "same" else format_name.upper()


def is_own_kind(photo: Photo, format_name: str) -> bool:
    """Whether a photo's own file is in the format it would be written in."""
    return written_kind(photo, format_name) == ("JPEG" if photo.kind == "MPO" else photo.kind)


def encode(photo: Photo, format_name: str) -> tuple[Answer, list[Loss]]:
    """A photo as a file, and what the format cannot hold; raises `UsageError` when it is too large for it."""
    file = io.BytesIO()
    kind = written_kind(photo, format_name)
    try:
        losses = write_photo(file, kind, photo)
    except ValueError as error:
        raise UsageError(f"format {kind.lower()} cannot hold this photo: {error}") from error
    return photo_answer(file.getvalue(), kind), losses


def photo_answer(content: bytes, kind: str) -> Answer:
    """A photo file of a format, as Pillow names it."""
    ending = next(ending for ending, name in FORMATS.items() if name == kind)
    return Answer(content, Image.MIME[kind], {"Content-Disposition": f'inline; filename="completed{ending}"'})


def _with_notes(answer: Answer, notes: list[str]) -> Answer:
    # A line break would end the header.
    return replace(answer, headers={**answer.headers, "Onar-Notes": printable("; ".join(notes))}) if notes else answer
