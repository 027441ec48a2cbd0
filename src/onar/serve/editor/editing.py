"""What the page asks for: a photo to look at, a mask, a hole filled, and the photo with all that was filled.

What was filled is with the page, as files that hold rectangles of the photo: in the photo's depth and colours, opaque
where pixels were filled. Of 16 bits they hold those that the photo uses, moved up: so they look as the photo does, and
lose nothing.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator

from onar.errors import OnarError, UsageError
from onar.imaging.decoding import Decoded
from onar.imaging.formats.png import write_png
from onar.imaging.images import OpenPicture, PhotoBytes, map_photo_errors, open_picture, read_mask
from onar.imaging.levels import Pixels, as_8_bits, unused_bits
from onar.imaging.losses import Loss
from onar.imaging.photo_file import Photo, check_fits, read_photo_file, reduced
from onar.inference.holes import fill_visible, find_holes
from onar.masks.holes import Holes, mask_from_holes, why_no_hole
from onar.serve.completing import Answer, encode, filling, is_own_kind, photo_answer, written_kind
from onar.serve.config import ServeConfig
from onar.serve.editor.sheets import Rectangles, SheetCorners, Slices, on_photo, placed
from onar.serve.http.uploads import Filling, Format
from onar.serve.weights import WeightsShelf

VIEW_SIZE = 2560
"""Most pixels of a side of a view."""
_VIEW_QUALITY = 95


class TooManyFillsError(OnarError):
    """Earlier fills of more pixels together than allowed."""


# ---------------------------------------------------------------- what is asked


class PhotoUpload(BaseModel):
    """A photo, or the id of one that was sent before and is still kept."""

    model_config = ConfigDict(extra="forbid")

    photo: bytes = Field(b"", description="The photo file.")
    photo_id: str = Field("", description="In its place: the `Onar-Photo` of an earlier answer.")
    keep: bool = Field(False, description="Keep the photo for a while; `Onar-Photo` is then its id.")
    instead_of: str = Field("", description="The id of a photo to be let go when this one is kept.")

    @model_validator(mode="after")
    def _check_photo(self) -> PhotoUpload:
        if ("photo" in self.model_fields_set) == bool(self.photo_id):
            raise ValueError("give either photo or photo_id")
        return self


class ViewUpload(PhotoUpload):
    """A photo to look at."""

    parts: Rectangles | None = Field(
        None,
        description="Only these parts of the upright photo, LEFT,TOP,WIDTH,HEIGHT with ; between several, with as many "
        "pixels as they have: one below the other, each at the left edge.",
    )
    reduction: int = Field(1, ge=1, le=64, description="Of so many pixels a side of a part one is shown, their mean.")


class MaskUpload(BaseModel):
    """A mask."""

    model_config = ConfigDict(extra="forbid")

    mask: bytes = Field(description="The mask file: white is the hole, black is kept.")


class FilledUpload(PhotoUpload):
    """A photo with what was filled before."""

    earlier: list[bytes] = Field([], description="Answers to earlier fills, in the order in which they lie on it.")
    earlier_at: list[SheetCorners] = Field([], description="Where each of them lies, as `at` of its fill.")

    @model_validator(mode="after")
    def _check_counts(self) -> FilledUpload:
        if len(self.earlier) != len(self.earlier_at):
            raise ValueError(f"{len(self.earlier)} earlier fills need as many earlier_at, not {len(self.earlier_at)}")
        return self


class FillUpload(FilledUpload, Filling):
    """A hole to be filled."""

    mask: bytes = Field(
        description="A mask file of the rectangle that the hole lies in: white is filled. It may hold several, one "
        "below the other, each at the left edge."
    )
    at: SheetCorners = Field(
        description="Where that rectangle lies on the upright photo, as LEFT,TOP; of several, LEFT,TOP,WIDTH,HEIGHT "
        "with ; between them."
    )
    weights: str = Field("", description="Which of the weights that onar.json names; the server's own if nothing.")


class SaveUpload(FilledUpload):
    """A photo to be written with what was filled."""

    format: Format = Field("same", description="Format of the answer, as for completing.")


# ---------------------------------------------------------------- what is answered


def view_photo(upload: ViewUpload, config: ServeConfig) -> Answer:
    """A photo as it is filled, upright and in 8 bits: all of it at most `VIEW_SIZE` pixels a side, or parts."""
    photo = _read_photo(upload, config)
    height, width = photo.pixels.shape[:2]
    if upload.parts is None:
        picture = _picture_of(photo, np.s_[:, :])
        picture.thumbnail((VIEW_SIZE, VIEW_SIZE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    else:
        places = [on_photo(part, (height, width)) for part in upload.parts]
        sizes = [(rows.stop - rows.start, columns.stop - columns.start) for rows, columns in places]
        if sum(tall for tall, _ in sizes) * max(wide for _, wide in sizes) > config.pixel_limit:
            raise UsageError(f"the parts have more than {config.max_megapixels:g} megapixels together: ask for fewer")
        picture = _stacked([_picture_of(photo, place).reduce(upload.reduction) for place in places])
    losses = [*photo.losses, *reduced(photo, written_kind(photo))[1]]
    return _picture_answer(picture, photo, {"Onar-Size": f"{width}x{height}", **_losses_header(losses)})


def _picture_of(photo: Photo, place: Slices) -> Image.Image:
    """What a rectangle of a photo shows, in 8 bits."""
    picture = Image.fromarray(photo.in_8_bits[place])
    if photo.alpha is not None:
        picture.putalpha(Image.fromarray(as_8_bits(photo.alpha[place])))
    return picture


def _stacked(parts: list[Image.Image]) -> Image.Image:
    """Pictures one below the other."""
    if len(parts) == 1:
        return parts[0]
    width, height = max(part.width for part in parts), sum(part.height for part in parts)
    sheet, top = Image.new(parts[0].mode, (width, height)), 0
    for part in parts:
        sheet.paste(part, (0, top))
        top += part.height
    return sheet


def read_holes(upload: MaskUpload, config: ServeConfig) -> Answer:
    """A mask file as Onar reads it: white or black."""
    hole = find_holes(read_mask(PhotoBytes("the mask", upload.mask), config.pixel_limit))
    height, width = hole.shape
    file = io.BytesIO()
    write_png(file, mask_from_holes(hole))
    return Answer(file.getvalue(), "image/png", {"Onar-Size": f"{width}x{height}"})


def fill_hole(upload: FillUpload, shelf: WeightsShelf, config: ServeConfig) -> Answer:
    """Fill one hole of a photo.

    Returns:
        A PNG of the hole's rectangles, as the mask has them, transparent where nothing was filled. `Onar-Filled` is the
        number of pixels that were: none under what is transparent in the photo.

    Raises:
        PhotoError: a file cannot be read, or has too many pixels.
        UsageError: there is no hole, something lies outside of the photo, or there are no such weights.
        TooMuchWorkError: it would take more than the time allowed.
    """
    photo = _read_photo(upload, config)
    mask = read_mask(PhotoBytes("the mask", upload.mask), config.pixel_limit)
    shown = find_holes(mask)
    if not shown.any():
        raise UsageError(f"the mask has no hole: {why_no_hole(mask, False)}")
    hole = np.zeros(photo.pixels.shape[:2], bool)
    places = list(placed(upload.at, shown.shape, hole.shape))
    for place, part in places:
        hole[place] |= shown[part]
    covered = _with_fills(photo, upload, config)
    complete = filling(upload, shelf.choose(upload.weights), config, hole.size)
    completed = fill_visible(covered.pixels, photo.alpha, hole, complete)
    filled = np.zeros((*shown.shape, *completed.shape[2:]), completed.dtype)
    for place, part in places:
        filled[part] = completed[place]
        if photo.alpha is not None:
            shown[part] &= photo.alpha[place] > 0
    return Answer(_encode_fill(filled, shown, photo), "image/png", {"Onar-Filled": str(int(np.count_nonzero(shown)))})


def save_photo(upload: SaveUpload, config: ServeConfig) -> Answer:
    """A photo with what was filled, as a file; without any of it and in the same format, the file that came.

    Raises:
        PhotoError: a file cannot be read, or has too many pixels.
        UsageError: a fill does not fit on the photo, or the photo not into the format.
    """
    photo = _read_photo(upload, config)
    if not upload.earlier and is_own_kind(photo, upload.format):
        return photo_answer(upload.photo, written_kind(photo, upload.format))
    check_fits(photo, written_kind(photo, upload.format))
    answer, losses = encode(_with_fills(photo, upload, config), upload.format)
    if written_kind(photo, upload.format) == "JPEG":
        losses.append(Loss("compresses"))
    return replace(answer, headers={**answer.headers, **_losses_header([*photo.losses, *losses])})


def _read_photo(upload: PhotoUpload, config: ServeConfig) -> Photo:
    return read_photo_file(PhotoBytes("the photo", upload.photo), config.pixel_limit)


def _losses_header(losses: Sequence[Loss]) -> dict[str, str]:
    """What a result leaves out, for a page that has the sentences in its own language."""
    told = [{"key": loss.key, "values": loss.values} for loss in losses]
    return {"Onar-Losses": json.dumps(told, default=str)} if told else {}


def _picture_answer(picture: Image.Image, photo: Photo, headers: dict[str, str]) -> Answer:
    """A picture in the colours of a photo, as JPEG where that can hold it."""
    file, metadata = io.BytesIO(), photo.metadata
    if photo.alpha is not None or not metadata.is_srgb:
        write_png(file, np.asarray(picture), icc_profile=metadata.icc_profile, colour=metadata.colour)
        return Answer(file.getvalue(), "image/png", headers)
    picture.save(file, "JPEG", quality=_VIEW_QUALITY, subsampling=0, icc_profile=metadata.icc_profile or None)
    return Answer(file.getvalue(), "image/jpeg", headers)


# ---------------------------------------------------------------- fills as files


def _encode_fill(filled: Pixels, shown: Holes, photo: Photo) -> bytes:
    """The pixels that were filled, as a PNG that is transparent elsewhere."""
    unused = unused_bits(photo.pixels)
    pixels = np.dstack([filled << unused if unused else filled, np.full_like(shown, 0, filled.dtype)])
    pixels[~shown] = 0
    pixels[shown, -1] = np.iinfo(pixels.dtype).max
    file = io.BytesIO()
    write_png(file, pixels, icc_profile=photo.metadata.icc_profile, colour=photo.metadata.colour)
    return file.getvalue()


def _with_fills(photo: Photo, upload: FilledUpload, config: ServeConfig) -> Photo:
    """A photo with earlier fills lying on it."""
    if not upload.earlier:
        return photo
    _check_together(upload.earlier, config)
    pixels, unused = photo.pixels.copy(), unused_bits(photo.pixels)
    for content, places in zip(upload.earlier, upload.earlier_at, strict=True):
        fill = _read_fill(content, config)
        if fill.alpha is None or (fill.pixels.dtype, fill.pixels.ndim) != (pixels.dtype, pixels.ndim):
            raise UsageError("an earlier fill is not one of this photo: it has another depth, or other colours")
        for place, part in placed(places, fill.alpha.shape, pixels.shape):
            filled = fill.alpha[part] > 0
            pixels[place][filled] = fill.pixels[part][filled] >> unused
    return replace(photo, pixels=pixels)


def _check_together(fills: Sequence[bytes], config: ServeConfig) -> None:
    """Raise `TooManyFillsError` when all fills together have too many pixels; none is decoded for that."""
    megapixels = 0.0
    for content in fills:
        with _open_fill(content, config) as opened:
            megapixels += opened.image.width * opened.image.height / 1_000_000
    if megapixels > config.max_earlier_megapixels:
        raise TooManyFillsError(
            f"the earlier fills are larger than {config.max_earlier_megapixels:g} megapixels together: save the photo, "
            "and go on with that"
        )


def _read_fill(content: bytes, config: ServeConfig) -> Decoded:
    with _open_fill(content, config) as opened, map_photo_errors(opened.path):
        return opened.decode(None)


def _open_fill(content: bytes, config: ServeConfig) -> AbstractContextManager[OpenPicture]:
    return open_picture(PhotoBytes("an earlier fill", content), config.pixel_limit, formats=["PNG"])
