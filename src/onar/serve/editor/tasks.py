"""The editor's tasks in the child process: view a photo, read a mask, find or fill holes, save the photo with fills.

The page keeps fills as PNG files of rectangles of the photo, in the photo's bit depth and colour profile, opaque where
pixels were filled. Where the photo uses fewer than 16 bits, values are shifted up to the full range: a fill then looks
as the photo does, and is lossless.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np
from PIL import Image

from onar.errors import UsageError
from onar.fills.cloning import Stroke, clone
from onar.finding.finder import finder_of
from onar.imaging.decoding import Decoded
from onar.imaging.formats.metadata import Metadata
from onar.imaging.formats.png import write_png
from onar.imaging.images import OpenPicture, PhotoBytes, map_photo_errors, open_picture, read_mask
from onar.imaging.levels import Pixels, as_8_bits, unused_bits
from onar.imaging.losses import Loss
from onar.imaging.photo_file import Photo, check_fits, read_photo_file
from onar.inference.extending import extended_photo
from onar.inference.holes import find_holes
from onar.inference.photos import MaskedPhoto, all_losses, is_own_kind
from onar.masks.holes import Holes, mask_from_holes, why_no_hole
from onar.masks.outline import outline_object
from onar.serve.child import expecting
from onar.serve.completing import Answer, encode, limited_inpaint, photo_answer, result_kind
from onar.serve.config import ServeConfig
from onar.serve.editor.rectangles import Slices, on_photo, placed
from onar.serve.editor.requests import (
    CloneUpload,
    FilledUpload,
    FillUpload,
    FindUpload,
    MaskUpload,
    OutlineUpload,
    PhotoUpload,
    SaveUpload,
    ViewUpload,
)
from onar.serve.effort import cloning_seconds, finding_seconds
from onar.serve.errors import TooManyFillsError
from onar.serve.weights import WeightsShelf

VIEW_SIZE = 2560
"""Maximum side of a view in pixels."""
_VIEW_QUALITY = 95


def view_photo(upload: ViewUpload, config: ServeConfig) -> Answer:
    """A photo upright and in 8 bits: the whole, reduced to at most `VIEW_SIZE` pixels a side, or parts of it."""
    photo = _read_photo(upload, config)
    height, width = photo.pixels.shape[:2]
    if upload.parts is None:
        picture = _picture_of(photo, np.s_[:, :])
        picture.thumbnail((VIEW_SIZE, VIEW_SIZE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    else:
        places = [on_photo(part, (height, width)) for part in upload.parts]
        sizes = [(rows.stop - rows.start, columns.stop - columns.start) for rows, columns in places]
        if sum(tall for tall, _ in sizes) * max(wide for _, wide in sizes) > config.pixel_limit:
            raise UsageError(f"the parts have more than {config.megapixel_limit:g} megapixels together: ask for fewer")
        picture = _stacked([_picture_of(photo, place).reduce(upload.reduction) for place in places])
    losses = _losses_header(all_losses(photo, result_kind(photo)))
    return _picture_answer(picture, photo, {"Onar-Size": f"{width}x{height}", **losses})


def _picture_of(photo: Photo, place: Slices) -> Image.Image:
    """A rectangle of a photo in 8 bits."""
    picture = Image.fromarray(photo.in_8_bits[place])
    if photo.alpha is not None:
        picture.putalpha(Image.fromarray(as_8_bits(photo.alpha[place])))
    return picture


def _stacked(parts: list[Image.Image]) -> Image.Image:
    """Stack pictures vertically."""
    if len(parts) == 1:
        return parts[0]
    width, height = max(part.width for part in parts), sum(part.height for part in parts)
    sheet, top = Image.new(parts[0].mode, (width, height)), 0
    for part in parts:
        sheet.paste(part, (0, top))
        top += part.height
    return sheet


def show_mask(upload: MaskUpload, config: ServeConfig) -> Answer:
    """A mask file as black and white."""
    return _mask_answer(find_holes(read_mask(PhotoBytes("the mask", upload.mask), config.pixel_limit)))


def _mask_answer(hole: Holes) -> Answer:
    height, width = hole.shape
    file = io.BytesIO()
    write_png(file, mask_from_holes(hole))
    return Answer(file.getvalue(), "image/png", {"Onar-Size": f"{width}x{height}"})


def outline(upload: OutlineUpload, config: ServeConfig) -> Answer:
    """The object in a lasso, as a mask of the lasso's rectangle.

    Raises `PhotoError` if a file cannot be read, `UsageError` if the rectangle is not on the photo.
    """
    photo = _with_fills(_read_photo(upload, config), upload, config)
    lasso = find_holes(read_mask(PhotoBytes("the mask", upload.mask), config.pixel_limit))
    (((rows, columns), _), *others) = placed(upload.at, lasso.shape, photo.pixels.shape)
    if others:
        raise UsageError("a lasso is one rectangle: give its mask at one LEFT,TOP")
    found = outline_object(photo.in_8_bits, lasso, rows.start, columns.start)
    return _mask_answer(found)


def find_damage(upload: FindUpload, shelf: WeightsShelf, config: ServeConfig) -> Answer:
    """The mask of damage and text in a photo; `Onar-Share` is their share of it.

    Raises:
        PhotoError: a file cannot be read, or has too many pixels.
        UsageError: there is no such kind, or the rectangle lies outside the photo.
        TooMuchFoundError: it is more than `max_share` of the photo.
        MissingExtraError: a kind needs an extra that is not installed.
        TooMuchWorkError: it would take more than the time allowed.
    """
    finder = finder_of(upload.what, shelf.device, shelf.threads)
    finder.load()
    photo = _with_fills(_read_photo(upload, config), upload, config)
    with expecting(finding_seconds(finder.kinds, photo.size)):
        hole = finder.find(photo.pixels, photo.alpha, upload.options)
    answer = _mask_answer(hole)
    return replace(answer, headers={**answer.headers, "Onar-Share": f"{np.count_nonzero(hole) / hole.size:.6f}"})


def fill_hole(upload: FillUpload, shelf: WeightsShelf, config: ServeConfig) -> Answer:
    """Fill one hole of a photo.

    Returns a PNG of the hole's rectangles, laid out as in the mask, transparent where nothing was filled. `Onar-Filled`
    is the number of filled pixels; transparent pixels of the photo are not filled.

    Raises:
        PhotoError: a file cannot be read, or has too many pixels.
        UsageError: there is no hole, a rectangle lies outside the photo, or there are no such weights.
        TooMuchWorkError: it would take more than the time allowed.
    """
    photo, margins = _read_extended(upload, config)
    mask = read_mask(PhotoBytes("the mask", upload.mask), config.pixel_limit)
    shown = find_holes(mask)
    if not shown.any():
        raise UsageError(f"the mask has no hole: {why_no_hole(mask, False)}")
    pixels, covered = _laid(photo, upload, config)
    hole = margins & ~covered  # margins without a fill are not known, either
    places = list(placed(upload.at, shown.shape, hole.shape))
    for place, part in places:
        hole[place] |= shown[part]
    inpaint = limited_inpaint(upload, shelf.choose(upload.weights), config, hole.size)
    completed = MaskedPhoto(replace(photo, pixels=pixels), hole, result_kind(photo)).fill(inpaint).pixels
    filled = np.zeros((*shown.shape, *completed.shape[2:]), completed.dtype)
    for place, part in places:
        filled[part] = completed[place]
        if photo.alpha is not None:
            shown[part] &= photo.alpha[place] > 0
    return Answer(_encode_fill(filled, shown, photo), "image/png", {"Onar-Filled": str(int(np.count_nonzero(shown)))})


def clone_stroke(upload: CloneUpload, config: ServeConfig) -> Answer:
    """Clone or heal along a stroke.

    Returns a PNG like that of `fill_hole`. Raises as that does; `UsageError` if the stroke is empty, too.
    """
    photo = _read_photo(upload, config)
    sheet = read_mask(PhotoBytes("the mask", upload.mask), config.pixel_limit)
    if not sheet.any():
        raise UsageError("the mask is black: there is nothing to paint")
    strength = np.zeros(photo.pixels.shape[:2], np.uint8)
    places = list(placed(upload.at, sheet.shape, strength.shape))
    for place, part in places:
        strength[place] = np.maximum(strength[place], sheet[part])
    white = np.iinfo(photo.pixels.dtype).max >> unused_bits(photo.pixels)
    pixels = _with_fills(photo, upload, config).pixels
    pixels = pixels if pixels.flags.writeable else pixels.copy()
    with expecting(cloning_seconds(int(np.count_nonzero(strength)), upload.heal)):
        shown = None if photo.alpha is None else photo.alpha > 0
        painted = clone(pixels, Stroke(strength, upload.offset, upload.heal), white, shown)
    cloned = np.zeros((*sheet.shape, *pixels.shape[2:]), pixels.dtype)
    changed = np.zeros(sheet.shape, bool)
    for place, part in places:
        cloned[part], changed[part] = pixels[place], painted[place]
    return Answer(_encode_fill(cloned, changed, photo), "image/png", {"Onar-Filled": str(np.count_nonzero(changed))})


def save_photo(upload: SaveUpload, config: ServeConfig) -> Answer:
    """A photo with its fills as a file; the uploaded file itself where nothing changes it, and in the same format.

    Raises `PhotoError` if a file cannot be read, `UsageError` if a fill or the format does not match the photo.
    """
    photo = _read_photo(upload, config)
    kind = result_kind(photo, upload.format)
    if not upload.earlier and upload.crop is None and upload.extend is None and is_own_kind(photo, kind):
        return photo_answer(upload.photo, kind)
    check_fits(photo, kind)
    result = _with_fills(photo, upload, config)
    if upload.crop is not None:
        place = on_photo(upload.crop[0], photo.pixels.shape)
        result = result.framed(result.pixels[place], None if result.alpha is None else result.alpha[place])
    answer, losses = encode(result, kind)
    if kind == "JPEG" and not is_own_kind(photo, kind):
        losses.append(Loss("compresses"))
    return replace(answer, headers={**answer.headers, **_losses_header([*photo.losses, *losses])})


def _read_photo(upload: PhotoUpload, config: ServeConfig) -> Photo:
    return _read_extended(upload, config)[0]


def _read_extended(upload: PhotoUpload, config: ServeConfig) -> tuple[Photo, Holes]:
    """A photo with its margins, and where these are, bool H×W. Raises as `read_photo_file` and `extended_photo`."""
    photo = read_photo_file(PhotoBytes("the photo", upload.photo), config.pixel_limit)
    if upload.extend is None:
        return photo, np.zeros(photo.size, bool)
    return extended_photo(photo, upload.extend, config.pixel_limit)


def _losses_header(losses: Sequence[Loss]) -> dict[str, str]:
    """Losses of a result, as keys that the page translates."""
    values = [{"key": loss.key, "values": loss.values} for loss in losses]
    return {"Onar-Losses": json.dumps(values, default=str)} if values else {}


def _colours(photo: Photo) -> Metadata:
    """The part of the metadata that a picture of the same colours needs."""
    return Metadata(icc_profile=photo.metadata.icc_profile, colour=photo.metadata.colour)


def _picture_answer(picture: Image.Image, photo: Photo, headers: dict[str, str]) -> Answer:
    """A picture with the colour profile of a photo; as JPEG where that can hold it."""
    file, metadata = io.BytesIO(), photo.metadata
    if photo.alpha is not None or not metadata.is_srgb:
        write_png(file, np.asarray(picture), _colours(photo))
        return Answer(file.getvalue(), "image/png", headers)
    picture.save(file, "JPEG", quality=_VIEW_QUALITY, subsampling=0, icc_profile=metadata.icc_profile or None)
    return Answer(file.getvalue(), "image/jpeg", headers)


# ---------------------------------------------------------------- fills as files


def _encode_fill(filled: Pixels, shown: Holes, photo: Photo) -> bytes:
    """The filled pixels as a PNG that is transparent elsewhere."""
    unused = unused_bits(photo.pixels)
    pixels = np.dstack([filled << unused if unused else filled, np.full_like(shown, 0, filled.dtype)])
    pixels[~shown] = 0
    pixels[shown, -1] = np.iinfo(pixels.dtype).max
    file = io.BytesIO()
    write_png(file, pixels, _colours(photo))
    return file.getvalue()


def _with_fills(photo: Photo, upload: FilledUpload, config: ServeConfig) -> Photo:
    """A photo covered by its earlier fills."""
    if not upload.earlier:
        return photo
    pixels, covered = _laid(photo, upload, config)
    return replace(photo, pixels=pixels, changed=covered if photo.changed is None else photo.changed | covered)


def _laid(photo: Photo, upload: FilledUpload, config: ServeConfig) -> tuple[Pixels, Holes]:
    """The pixels of a photo with its earlier fills, and where these are, bool H×W."""
    covered = np.zeros(photo.size, bool)
    if not upload.earlier:
        return photo.pixels, covered
    _check_together(upload.earlier, config)
    pixels, unused = photo.pixels.copy(), unused_bits(photo.pixels)
    for content, places in zip(upload.earlier, upload.earlier_at, strict=True):
        fill = _read_fill(content, config)
        if fill.alpha is None or (fill.pixels.dtype, fill.pixels.ndim) != (pixels.dtype, pixels.ndim):
            raise UsageError("an earlier fill is not one of this photo: it has another depth, or other colours")
        for place, part in placed(places, fill.alpha.shape, pixels.shape):
            filled = fill.alpha[part] > 0
            pixels[place][filled] = fill.pixels[part][filled] >> unused
            covered[place] |= filled
    return pixels, covered


def _check_together(fills: Sequence[bytes], config: ServeConfig) -> None:
    """Raise `TooManyFillsError` when all fills together have too many pixels; only headers are read."""
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
