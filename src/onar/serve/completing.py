"""Complete an uploaded photo in memory, in the child process, and answer with the result as a file."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from onar.errors import UsageError, printable
from onar.imaging.formats.endings import FORMATS
from onar.imaging.images import PhotoBytes, read_mask
from onar.imaging.levels import Pixels
from onar.imaging.losses import Loss
from onar.imaging.photo_file import Photo, check_fits, read_photo_file, write_photo
from onar.inference.extending import extended
from onar.inference.holes import ALPHA
from onar.inference.inpainter import Inpainter
from onar.inference.photos import (
    MaskedPhoto,
    MaskOptions,
    compressed_again,
    mask_erased_photo,
    mask_photo,
    read_holes,
)
from onar.masks.holes import Holes
from onar.serve.child import expecting, reached
from onar.serve.config import ServeConfig
from onar.serve.effort import cpu_seconds, drawing_seconds
from onar.serve.http.uploads import Filling, Upload
from onar.serve.weights import WeightsShelf

_OTHER_KINDS = {"MPO": "JPEG", "GIF": "PNG", "AVIF": "PNG", "HEIF": "PNG"}
"""Formats of results, where a photo's own format cannot be written."""


@dataclass(frozen=True)
class Answer:
    """A file for a client, and headers of the response."""

    content: bytes
    media_type: str
    headers: dict[str, str]


def complete_upload(upload: Upload, shelf: WeightsShelf, config: ServeConfig) -> Answer:
    """Fill the holes of a photo.

    Raises:
        PhotoError: photo or mask cannot be read, or has too many pixels, or the extended photo has.
        SizesDifferError: photo and mask differ in size.
        UsageError: the strategy needs too much memory, the photo is too large for the format, or nothing is
            transparent where the mask is the photo's alpha, or there are no such weights.
        TooMuchWorkError: it would take more than the time allowed.
    """
    masked = _read(upload, config)
    if masked.is_unchanged:
        return _with_notes(photo_answer(upload.photo, masked.kind), masked.notes)
    check_fits(masked.photo, masked.kind)
    result = masked.photo
    if masked.hole.any():
        result = masked.fill(limited_inpaint(upload, shelf.choose(upload.weights), config, masked.hole.size))
    answer, written = encode(result, masked.kind)
    return _with_notes(answer, [*masked.notes, *compressed_again(written)])


def _read(upload: Upload, config: ServeConfig) -> MaskedPhoto:
    photo = read_photo_file(PhotoBytes("the photo", upload.photo), config.pixel_limit)
    masked = _mask(photo, upload, config)
    return masked if upload.extend is None else extended(masked, upload.extend, config.pixel_limit)


def _mask(photo: Photo, upload: Upload, config: ServeConfig) -> MaskedPhoto:
    """A photo with the holes of its mask; without any where there is no mask."""
    kind, options = result_kind(photo, upload.format), MaskOptions(upload.invert_mask, upload.dilate)
    if not upload.has_mask:
        return MaskedPhoto(photo, np.zeros(photo.size, bool), kind)
    if upload.mask == ALPHA:
        return mask_erased_photo(photo, kind, options)
    mask = read_mask(PhotoBytes("the mask", upload.mask), config.pixel_limit)
    return mask_photo(photo, read_holes(mask, options), kind)


def limited_inpaint(
    options: Filling, inpainter: Inpainter, config: ServeConfig, size: int
) -> Callable[[Pixels, Holes], Pixels]:
    """A function that fills holes with a client's options, and raises `TooMuchWorkError` if that would take too long.

    `size` is the number of pixels of the photo; raises `UsageError` if the strategy needs too much memory for it.
    """
    if options.strategy == "whole" and size > config.max_whole_megapixels * 1_000_000:
        raise UsageError(f"strategy whole is for photos of up to {config.max_whole_megapixels:g} megapixels here")
    settings = options.fill.keywords()

    def inpaint(pixels: Pixels, unknown: Holes) -> Pixels:
        seconds = cpu_seconds(unknown, inpainter.copies(options.texture))
        with expecting(seconds + drawing_seconds(inpainter, unknown, options.strategy)):
            return inpainter.fill(pixels, unknown, on_progress=reached, **settings)

    return inpaint


def result_kind(photo: Photo, format_name: str = "same") -> str:
    """The format of a result, as Pillow names it: the requested one; for "same" the photo's, or the nearest to that."""
    return _OTHER_KINDS.get(photo.kind, photo.kind) if format_name == "same" else format_name.upper()


def encode(photo: Photo, kind: str) -> tuple[Answer, list[Loss]]:
    """A photo as a file of a format, and what is lost in it; raises `UsageError` when it is too large for it."""
    file = io.BytesIO()
    try:
        losses = write_photo(file, kind, photo)
    except ValueError as error:
        raise UsageError(f"format {kind.lower()} cannot hold this photo: {error}") from error
    return photo_answer(file.getvalue(), kind), losses


def photo_answer(content: bytes, kind: str) -> Answer:
    """The bytes of a photo file of a format, as Pillow names it."""
    ending = next(ending for ending, name in FORMATS.items() if name == kind)
    return Answer(content, Image.MIME[kind], {"Content-Disposition": f'inline; filename="completed{ending}"'})


def _with_notes(answer: Answer, notes: list[str]) -> Answer:
    # A line break would end the header.
    return replace(answer, headers={**answer.headers, "Onar-Notes": printable("; ".join(notes))}) if notes else answer
