"""Picture files: opening and reading.

Arrays are uint8, H×W (grey) or H×W×3 (RGB). Photos are returned upright (EXIF orientation applied) as 8-bit RGB: alpha
is dropped, higher bit depths and floats are scaled. Colour profiles are applied to CMYK and LAB only. A file that
cannot be read raises `PhotoError`, one line with the file and the reason, and never a warning.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.Image import Resampling, Transpose

from onar.errors import OnarError, OutOfMemoryError, is_out_of_memory, printable
from onar.imaging.crops import Corners
from onar.imaging.decoding import Decoded, decode, decode_picture, decode_rgb
from onar.imaging.formats.endings import NOT_READABLE_HERE, RAW, RAW_ADVICE, READABLE, ending_of, missing_decoder
from onar.imaging.formats.exif import check_values
from onar.imaging.formats.raw import START as RAW_START
from onar.imaging.formats.raw import RawFileError, refuse_raw
from onar.imaging.formats.tiff import DeepTiff, is_deep, is_tiff, open_plain, read_deep, read_page, shown
from onar.imaging.inspection import Inspected, inspect
from onar.imaging.levels import integers_as_8_bits
from onar.imaging.losses import Loss
from onar.imaging.orientation import find_turn, mirrored_sides, upright_size
from onar.system.state import pillow_opens, quiet_pillow

if TYPE_CHECKING:
    from tifffile import TiffPage

EightBits: TypeAlias = NDArray[np.uint8]
PIXEL_LIMIT = 175_000_000
"""Maximum number of pixels of a photo, just under the limit of Pillow."""


_DRAFT_MARGIN = 1.5
"""Minimum size of a JPEG decoded at reduced size, relative to the crop. Measured on sharp photos with the worst crops,
against full decoding: 38.8 dB at 1, 46.1 at 1.5, 50.0 at 2; and 1.5 keeps most of the time saved."""


class PhotoError(OnarError):
    """A picture file that cannot be read; the message is `file: reason`."""


class PhotoTooLargeError(PhotoError):
    """A picture with too many pixels."""


class NotAPhotoError(PhotoError):
    """A file that is not a picture in a supported format."""


class MissingDecoderError(NotAPhotoError):
    """A picture in a format whose decoder is not installed."""


class PhotoSource(Protocol):
    """A picture file: a `Path`, or a file in memory or elsewhere; `str` gives its name."""

    def open(self, mode: Literal["rb"], /) -> BinaryIO:
        """Open it for reading; raises `OSError`."""


@dataclass(frozen=True)
class PhotoBytes:
    """A picture file in memory, such as a member of a shard.

    >>> str(PhotoBytes("a.jpg", b"content"))
    'a.jpg'
    """

    name: str
    content: bytes

    def open(self, _mode: Literal["rb"], /) -> BinaryIO:
        """Open it for reading."""
        return BytesIO(self.content)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class OpenPicture:
    """An open picture file, decoded only as far as needed to know its size.

    Attributes:
        path: the file's path or name.
        file: open for reading.
        image: as opened by Pillow: not upright, and often not decoded yet.
        page: tags of a TIFF file, read by tifffile; None for others.
        deep: pixels that Pillow cannot read correctly; `image` is then an 8-bit preview.
        losses: data dropped in order to open it.
    """

    path: PhotoSource
    file: BinaryIO
    image: Image.Image
    page: TiffPage | None = None
    deep: DeepTiff | None = None
    losses: tuple[Loss, ...] = ()

    def decode(self, turn: Transpose | None) -> Decoded:
        """Decode the whole picture with this transposition; call it inside `map_photo_errors`."""
        return decode(self.file, self.image, self.deep, turn)

    @property
    def count(self) -> int:
        """Number of pictures in the file."""
        return len(self.page.parent.pages) if self.page else int(getattr(self.image, "n_frames", 1))


@dataclass(frozen=True)
class PhotoFile:
    """An open photo; read its pixels once, with `read` or `read_crop`."""

    opened: OpenPicture
    turn: Transpose | None
    """Transposition that makes the decoded picture upright."""
    height: int
    """Rows of the upright photo."""
    width: int
    """Columns of the upright photo."""

    @property
    def image(self) -> Image.Image:
        """The picture as opened by Pillow: not upright, and for a JPEG not decoded yet."""
        return self.opened.image

    def read(self) -> Image.Image:
        """Decode the whole photo as an upright RGB picture; raises `PhotoError` if the file is damaged."""
        with map_photo_errors(self.opened.path):
            return decode_rgb(self.opened.file, self.image, self.opened.deep, self.turn)

    def read_crop(self, box: Corners, height: int, width: int) -> EightBits:
        """The part of the upright photo inside `box`, uint8 H×W×3, resized to height×width with antialiasing.

        A JPEG much larger than needed is decoded at 1/2, 1/4 or 1/8 of its size. Raises as `read`.
        """
        left, top, right, bottom = box
        excess = min((right - left) / width, (bottom - top) / height)
        reduction = next((factor for factor in (8, 4, 2) if _DRAFT_MARGIN * factor <= excess), 1)
        with map_photo_errors(self.opened.path):
            if self.image.draft(None, (self.image.width // reduction, self.image.height // reduction)) is None:
                reduction = 1
        picture = self.read()
        across, down = self._padding(picture.size, reduction)
        corners = np.array(box) / reduction + (across, down, across, down)
        reduced = (corners[0], corners[1], corners[2], corners[3])
        return np.asarray(picture.resize((width, height), Resampling.BICUBIC, reduced, reducing_gap=3.0))

    def _padding(self, size: tuple[int, int], reduction: int) -> tuple[float, float]:
        """Pixels to the left of the photo and above it in a reduced decoding of `size`, width and height.

        A decoder rounds sizes up, at the right and at the bottom of the stored picture; upright, these may be left and
        top.
        """
        mirrored_across, mirrored_down = mirrored_sides(self.turn)
        across, down = size[0] - self.width / reduction, size[1] - self.height / reduction
        return across * mirrored_across, down * mirrored_down


@contextmanager
def open_photo(path: PhotoSource, pixel_limit: int = PIXEL_LIMIT) -> Iterator[PhotoFile]:
    """Open a photo, reading only as far as needed to know its size; raises as `open_picture`."""
    with open_picture(path, pixel_limit) as opened:
        with map_photo_errors(path):
            if opened.image.format not in ("JPEG", "MPO"):
                opened.image.load()  # size and orientation are final only then; only JPEG has reduced decoding
            turn = find_turn(opened.image)
        width, height = upright_size(opened.image.size, turn)
        yield PhotoFile(opened, turn, height, width)


@contextmanager
def open_picture(
    path: PhotoSource, pixel_limit: int = PIXEL_LIMIT, formats: Collection[str] = frozenset(READABLE.values())
) -> Iterator[OpenPicture]:
    """Open a picture file without decoding it.

    Args:
        path: the picture file.
        pixel_limit: maximum number of pixels, independent of `PIL.Image.MAX_IMAGE_PIXELS`.
        formats: allowed formats, by their Pillow names.

    Raises:
        PhotoError: it is missing, empty, damaged, or not a picture; `PhotoTooLargeError` if it has too many pixels.
    """
    with map_photo_errors(path):
        file = path.open("rb")
    with file:
        with map_photo_errors(path):
            if file.seek(0, os.SEEK_END) == 0:
                raise PhotoError(f"{printable(path)}: the file is empty")
            file.seek(0)
            start = file.read(RAW_START)
            if is_tiff(start):
                opened = _open_tiff(path, file, start, pixel_limit)
            else:
                refuse_raw(str(path), start, None)
                if missing := missing_decoder(start):
                    raise MissingDecoderError(f"{printable(path)}: the file is {missing}")
                # Only these formats: Pillow would also run old, rarely tested decoders, and Ghostscript.
                known = _in_loading_order(set(formats) - _unknown_to_pillow(start))
                opened = _open_other(path, inspect(file, start), pixel_limit, known)
        with pillow_opens(pixel_limit):  # the size of some files is known only when they are decoded
            yield opened


def _in_loading_order(formats: Collection[str]) -> list[str]:
    """The formats that Pillow loads at once, then the others: when it comes to one of these, it loads all decoders."""
    Image.preinit()
    return sorted(formats, key=lambda name: (name not in Image.OPEN, name))


def _open_other(path: PhotoSource, inspected: Inspected, pixel_limit: int, formats: list[str]) -> OpenPicture:
    with pillow_opens(inf):  # the size is checked below
        image = Image.open(inspected.file, formats=formats)
    check_size(path, *image.size, pixel_limit)
    repaired = inspected.with_end()
    if repaired is not inspected:
        with pillow_opens(pixel_limit):
            image = Image.open(repaired.file, formats=formats)
    return OpenPicture(path, repaired.file, image, losses=repaired.losses)


def _open_tiff(path: PhotoSource, file: BinaryIO, start: bytes, pixel_limit: int) -> OpenPicture:
    check_values(file)
    page = read_page(file)
    refuse_raw(str(path), start, page)
    check_size(path, page.imagewidth, page.imagelength, pixel_limit)
    if not is_deep(page):
        with suppress(UnidentifiedImageError), pillow_opens(pixel_limit):
            return OpenPicture(path, file, open_plain(file, page), page)
    deep = read_deep(file, page)
    return OpenPicture(path, file, shown(deep, page), page, deep)


def check_size(path: PhotoSource, width: int, height: int, pixel_limit: int = PIXEL_LIMIT) -> None:
    """Raise `PhotoTooLargeError` if there are too many pixels.

    >>> check_size(Path("a.png"), 5000, 5000, pixel_limit=10_000_000)
    Traceback (most recent call last):
    onar.imaging.images.PhotoTooLargeError: a.png: larger than 10 megapixels (5000 x 5000)
    """
    if width * height > pixel_limit:
        size = f"{width} x {height}"
        raise PhotoTooLargeError(f"{printable(path)}: larger than {pixel_limit / 1_000_000:g} megapixels ({size})")


def _unknown_to_pillow(start: bytes) -> set[str]:
    """HEIF, unless a file may be one by its first bytes; then its slow decoder is registered with Pillow."""
    if start[4:8] != b"ftyp" or "HEIF" not in READABLE.values():
        return {"HEIF"}
    _register_heif()
    return set()


@cache
def _register_heif() -> None:
    from pillow_heif import register_heif_opener

    register_heif_opener()


def read_photo(path: Path) -> Image.Image:
    """Decode a photo as an upright RGB picture; raises `PhotoError`."""
    with open_photo(path) as photo:
        return photo.read()


def read_mask(path: PhotoSource, pixel_limit: int = PIXEL_LIMIT) -> EightBits:
    """Read a mask file as uint8 H×W, upright; `masks.holes.holes_from_mask` thresholds it. Raises as `open_picture`.

    The mask is the brightness; transparent pixels are black, because picture editors leave any colour under them. For
    strokes of any colour on a transparent layer, it is their opacity.
    """
    with open_photo(path, pixel_limit) as photo, map_photo_errors(path):
        return photo.opened.decode(photo.turn).mask


def mask_of_picture(picture: Image.Image) -> EightBits:
    """The mask in a Pillow picture of any mode; see `read_mask`.

    >>> mask_of_picture(Image.new("RGB", (2, 1), "white"))
    array([[255, 255]], dtype=uint8)
    """
    turn = find_turn(picture)
    if picture.mode.startswith("I"):
        picture = Image.fromarray(integers_as_8_bits(np.asarray(picture)))
    return decode_picture(picture if turn is None else picture.transpose(turn)).mask


@contextmanager
def map_photo_errors(path: PhotoSource) -> Iterator[None]:
    """Map all errors of decoders to `PhotoError` or `OutOfMemoryError` of one line, and suppress Pillow's warnings."""
    try:
        with quiet_pillow():
            yield
    except (PhotoError, OutOfMemoryError):
        raise
    except OnarError as error:
        raise PhotoError(f"{printable(path)}: {error}") from error
    except Image.DecompressionBombError as error:
        limit = f"{PIXEL_LIMIT // 1_000_000} megapixels"
        raise PhotoTooLargeError(f"{printable(path)}: larger than {limit} ({error})") from error
    except RawFileError as error:
        kind = f" ({error})" if str(error) else ""
        raise NotAPhotoError(
            f"{printable(path)}: a camera's raw file{kind}, not developed yet: {RAW_ADVICE}"
        ) from error
    except UnidentifiedImageError as error:
        formats = ", ".join(sorted(set(READABLE.values())))
        ending = ending_of(str(path))
        more = f"; this ending needs {NOT_READABLE_HERE[ending]}" if ending in NOT_READABLE_HERE else ""
        more += f"; of a camera's raw file, {RAW_ADVICE}" if ending in RAW else ""
        raise NotAPhotoError(f"{printable(path)}: not a picture in a format Onar reads ({formats}){more}") from error
    except Exception as error:  # decoders raise a dozen types: SyntaxError, struct.error, EOFError, ...
        if is_out_of_memory(error):
            raise OutOfMemoryError(f"{printable(path)}: not enough memory to read it") from error
        raise PhotoError(f"{printable(path)}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The reason why a file cannot be read, in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return f"damaged or of an unknown kind ({' '.join(str(error).split()) or type(error).__name__})"
