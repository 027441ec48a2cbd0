"""A photo file with all that belongs to it, to be written again after its holes are filled.

`read_photo_file` keeps the depth of the pixels (8 or 16 bits), grey, alpha, EXIF, the colour profile, the resolution
and the way a JPEG was compressed; `write_photo_file` puts them into a file of another or the same format, as far as
that can hold them. What is lost on the way is said in a few words, for people.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms
from PIL.Image import Transpose
from PIL.JpegImagePlugin import get_sampling

from onar.errors import OnarError
from onar.files import replacing
from onar.imaging.images import (
    FORMATS,
    PIXEL_LIMIT,
    PhotoBytes,
    damage_told,
    find_turn,
    open_picture,
    printable,
    to_8_bits,
)
from onar.imaging.png_tiff import Pixels, write_png, write_tiff

_MOST_EXIF_IN_JPEG = 65_533
_MOST_DPI = 65_535
_LAYOUT_TAGS = (
    *(254, 255, 256, 257, 258, 259, 262, 263, 266, 273, 277, 278, 279, 280, 281, 282, 283, 284, 296, 301, 317, 318),
    *(319, 320, 322, 323, 324, 325, 330, 332, 338, 339, 340, 341, 347, 512, 513, 514, 529, 530, 531, 532, 700),
    *(33723, 34377, 34675),
)
"""Tags of a TIFF file that describe how its pixels are stored, and blocks that are no EXIF (XMP, IPTC, profile)."""


@dataclass(frozen=True)
class Photo:
    """An upright photo and what its file said about it.

    Attributes:
        kind: format of the file, as Pillow names it.
        pixels: uint8 or uint16, H×W (grey) or H×W×3 (RGB).
        alpha: H×W of the same type, 0 = transparent; None for a photo without.
        exif: EXIF block with an orientation of 1; empty when there is none.
        icc_profile: colour profile of the pixels; empty when there is none.
        dpi: pixels per inch across and down.
        jpeg: options with which Pillow compresses as the photo's own JPEG file was; empty for other files.
        stored_size: width and height as stored, before the photo was set upright.
        losses: what could not be kept in reading, in a few words each.
    """

    kind: str
    pixels: Pixels
    alpha: Pixels | None
    exif: bytes
    icc_profile: bytes
    dpi: tuple[float, float] | None
    jpeg: dict[str, Any]
    stored_size: tuple[int, int]
    losses: tuple[str, ...]

    @property
    def in_8_bits(self) -> NDArray[np.uint8]:
        """The pixels as uint8, H×W or H×W×3."""
        return _as_8_bits(self.pixels)

    def with_holes_filled(self, completed: NDArray[np.uint8], hole: NDArray[np.bool_]) -> Photo:
        """The photo with other pixels in its holes.

        Args:
            completed: the shape of the pixels.
            hole: H×W, True where they are taken from `completed`.
        """
        filled = self.pixels.copy()
        # In 16 bits 255 becomes 65535.
        filled[hole] = completed[hole] if filled.dtype == np.uint8 else completed[hole].astype(np.uint16) * 257
        return replace(self, pixels=filled)


# ---------------------------------------------------------------- reading


def read_photo_file(path: Path | PhotoBytes, pixel_limit: int = PIXEL_LIMIT) -> Photo:
    """Read a photo with all that belongs to it; the first picture of a file that holds several.

    Args:
        path: a file in one of the formats of `images.READABLE`, on disk or in memory.
        pixel_limit: most pixels, looked at before decoding.

    Raises:
        PhotoTooLargeError: the photo has more pixels.
        PhotoError: the file is missing, empty, damaged, or not a picture.
    """
    losses = []
    with open_picture(path, pixel_limit) as image, damage_told(path):
        # A second picture in an MPO is a preview or a depth map: nobody misses it.
        if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
            losses.append("of its several pictures only the first is completed")
        stored_size = image.size
        image.load()
        turn = find_turn(image)
        picture, icc_profile = _plain(image)
        if image.mode != "P" and {image.mode, picture.mode} & {"CMYK", "LAB", "YCbCr", "HSV"}:
            losses.append(f"{image.mode} becomes RGB")
        picture = picture if turn is None else picture.transpose(turn)
        pixels: Pixels = np.asarray(picture)
        if _has_more_bits(path, image):
            deep = _read_16_bits(path, turn, np.atleast_3d(pixels))
            pixels = pixels if deep is None else deep.reshape(pixels.shape)
            if deep is None:
                losses.append("its pixels are reduced to 8 bits")
        grey = picture.mode.startswith("L")
        has_alpha = picture.mode.endswith("A")
        return Photo(
            kind=image.format or "",
            pixels=pixels if not has_alpha else np.ascontiguousarray(pixels[..., 0] if grey else pixels[..., :3]),
            alpha=np.ascontiguousarray(pixels[..., -1]) if has_alpha else None,
            exif=_upright_exif(image, *picture.size),
            icc_profile=icc_profile,
            dpi=_resolution(image),
            jpeg=_jpeg_options(image),
            stored_size=stored_size,
            losses=tuple(losses),
        )


def _plain(image: Image.Image) -> tuple[Image.Image, bytes]:
    """A decoded picture as L, LA, RGB or RGBA of 8 bits, and the colour profile that fits it."""
    profile = image.info.get("icc_profile") or b""
    if image.mode in ("CMYK", "LAB"):
        return _through_profile(image, profile), b""
    grey = image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")
    mode = ("L" if grey else "RGB") + ("A" if image.has_transparency_data else "")
    image = to_8_bits(image)
    return (image if image.mode == mode else image.convert(mode)), profile


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert to sRGB by the picture's own colour profile; without a usable one, by Pillow's rule of thumb."""
    if profile:
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
            return converted if converted is not None else image.convert("RGB")
        except (OSError, ImageCms.PyCMSError):
            pass
    return image.convert("RGB")


def _has_more_bits(path: Path | PhotoBytes, image: Image.Image) -> bool:
    """Whether the file holds more than 8 bits per channel, which Pillow does not tell for colour."""
    if image.format == "PNG":
        with path.open("rb") as file:
            return file.read(25)[24] == 16  # signature 8, length 4, IHDR 4, width 4, height 4, depth
    if image.format == "TIFF":
        return bool(max(image.tag_v2.get(ExifTags.Base.BitsPerSample, (1,))) > 8)  # type: ignore[attr-defined]
    return False


def _read_16_bits(
    path: Path | PhotoBytes, turn: Transpose | None, expected: NDArray[np.uint8]
) -> NDArray[np.uint16] | None:
    """Read an upright photo in 16 bits, with OpenCV.

    OpenCV may or may not have set the photo upright, whatever it is asked, by its version and the format. So what it
    reads is compared with what Pillow read.

    Args:
        path: the file, already found undamaged.
        turn: what sets it upright.
        expected: H×W×C, the upright photo in 8 bits; grey, grey and alpha, RGB, or RGB and alpha.

    Returns:
        H×W×C, or None when OpenCV cannot read the file or reads something else.
    """
    with path.open("rb") as file:
        read = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    wanted = {1: [0], 2: [0, 3], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[expected.shape[2]]  # OpenCV's order is BGRA
    if read is None or read.dtype != np.uint16 or np.atleast_3d(read).shape[2] <= max(wanted):
        return None
    stored = np.asarray(np.atleast_3d(read)[..., wanted], np.uint16)
    for candidate in (stored, _turned(stored, turn)):
        if candidate.shape == expected.shape and cv2.absdiff(_as_8_bits(candidate), expected).max() <= 1:
            return candidate
    return None


def _turned(pixels: NDArray[np.uint16], turn: Transpose | None) -> NDArray[np.uint16]:
    if turn is None:
        return pixels
    channels = (Image.fromarray(np.ascontiguousarray(pixels[..., at])) for at in range(pixels.shape[2]))
    return np.dstack([np.asarray(channel.transpose(turn)) for channel in channels])


def _as_8_bits(pixels: Pixels) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    return np.asarray(cv2.convertScaleAbs(pixels, alpha=1 / 257), np.uint8).reshape(pixels.shape)


def _upright_exif(image: Image.Image, width: int, height: int) -> bytes:
    """The EXIF block of a decoded picture for the upright photo; empty when there is none, or it is damaged.

    The embedded thumbnail is left out: it shows the photo as it was.
    """
    try:
        exif = image.getexif()
        for tag in _LAYOUT_TAGS:
            exif.pop(tag, None)
        if not exif:
            return b""
        exif[ExifTags.Base.Orientation] = 1
        details = exif.get_ifd(ExifTags.IFD.Exif)
        if ExifTags.Base.ExifImageWidth in details:
            details[ExifTags.Base.ExifImageWidth], details[ExifTags.Base.ExifImageHeight] = width, height
        return exif.tobytes()
    except Exception:  # damaged EXIF raises as many kinds of errors as damaged pictures
        return b""


def _resolution(image: Image.Image) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 0 < across < _MOST_DPI and 0 < down < _MOST_DPI else None


def _jpeg_options(image: Image.Image) -> dict[str, Any]:
    """Quantisation tables and subsampling as the photo's own; Pillow then needs no quality."""
    if image.format not in ("JPEG", "MPO") or image.mode not in ("L", "RGB"):
        return {}
    options = {"qtables": image.quantization, "progressive": bool(image.info.get("progressive"))}  # type: ignore[attr-defined]
    sampling = get_sampling(image)
    return options if sampling == -1 else {**options, "subsampling": sampling}


# ---------------------------------------------------------------- writing


def write_photo_file(path: Path, photo: Photo) -> list[str]:
    """Write a photo whole or not at all, in the format the name ends in; see `write_photo`.

    Raises:
        OnarError: the ending is none of `FORMATS`, or the file cannot be written.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise OnarError(f"cannot write {printable(path)}: its name must end in one of {' '.join(FORMATS)}")
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            return write_photo(file, kind, photo)
    except ValueError as error:  # Pillow's word for a picture too large for the format
        raise OnarError(f"cannot write {printable(path)}: {error}") from error


def write_photo(file: BinaryIO, kind: str, photo: Photo) -> list[str]:
    """Write a photo into an open file.

    PNG, TIFF, BMP and WebP hold the pixels exactly; PNG and TIFF in 16 bits, too. JPEG does not: with the tables of
    the photo's own JPEG file, or else at quality 95 without subsampling, pixels change by what compression takes.

    Args:
        file: open for writing; it must be seekable.
        kind: one of the values of `FORMATS`.
        photo: what to write.

    Returns:
        What the format cannot hold, in a few words each.

    Raises:
        ValueError: the photo is too large for the format.
    """
    photo, losses = _reduced(photo, kind)
    pixels = photo.pixels if photo.alpha is None else np.dstack([photo.pixels, photo.alpha])
    held = {"exif": photo.exif, "icc_profile": photo.icc_profile, "dpi": photo.dpi}
    metadata: dict[str, Any] = {name: value for name, value in held.items() if value}
    if kind == "PNG":
        write_png(file, pixels, **metadata)
    elif kind == "TIFF":
        write_tiff(file, pixels, **metadata)
    else:
        Image.fromarray(pixels).save(file, kind, **metadata, **_options(kind, photo))
    return losses


def _options(kind: str, photo: Photo) -> dict[str, Any]:
    if kind == "JPEG":
        return photo.jpeg or {"quality": 95, "subsampling": 0}
    if kind == "WEBP":
        # Not "exact", WebP would change the colours under transparent pixels; more effort gains 1 % in 3 times as long.
        return {"lossless": True, "exact": True, "quality": 20}
    return {}


def _reduced(photo: Photo, kind: str) -> tuple[Photo, list[str]]:
    """The photo without what the format cannot hold, and what that is."""
    losses = []
    if kind not in ("PNG", "TIFF") and photo.pixels.dtype != np.uint8:
        alpha = None if photo.alpha is None else _as_8_bits(photo.alpha)
        photo = replace(photo, pixels=photo.in_8_bits, alpha=alpha)
        losses.append("8 bits per channel only")
    if kind in ("JPEG", "BMP") and photo.alpha is not None:
        photo = replace(photo, alpha=None)
        losses.append("no transparency")
    if kind == "BMP" and (photo.exif or photo.icc_profile):
        photo = replace(photo, exif=b"", icc_profile=b"")
        losses.append("no EXIF and no colour profile")
    if kind == "JPEG" and len(photo.exif) > _MOST_EXIF_IN_JPEG:
        photo = replace(photo, exif=b"")
        losses.append("no EXIF of this size")
    if kind == "WEBP" and photo.pixels.ndim == 2:  # WebP holds RGB only, which a grey profile does not fit
        photo = replace(photo, icc_profile=b"")
    return photo, [f"{kind} holds {loss}" for loss in losses]
