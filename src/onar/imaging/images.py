"""Picture files: opening and reading.

Arrays are uint8, H×W (grey) or H×W×3 (RGB). Photos come out upright (their EXIF rotation applied), as 8-bit RGB
whatever the file holds: alpha is dropped, more bits and floats are scaled. Colour profiles are applied to CMYK and LAB
only. A file that cannot be read raises `PhotoError`, one line with the file and the reason, and never a warning.
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
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.Image import Resampling, Transpose

from onar.errors import OnarError, OutOfMemoryError, is_out_of_memory, printable
from onar.imaging.crops import Corners
from onar.imaging.decoding import Decoded, decode, decode_picture
from onar.imaging.formats.endings import NOT_READABLE_HERE, RAW, RAW_ADVICE, READABLE, ending_of
from onar.imaging.formats.exif import check_values, exif_of
from onar.imaging.formats.raw import START as RAW_START
from onar.imaging.formats.raw import RawFileError, refuse_raw
from onar.imaging.formats.tiff import DeepTiff, is_deep, is_tiff, open_plain, read_deep, read_page, shown
from onar.imaging.inspection import Inspected, inspect
from onar.imaging.levels import integers_as_8_bits
from onar.imaging.losses import Loss
from onar.system.state import pillow_opens, quiet_pillow

if TYPE_CHECKING:
    from tifffile import TiffPage

EightBits: TypeAlias = NDArray[np.uint8]
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""What sets a picture of each EXIF orientation upright; those from 5 on swap height and width."""

PIXEL_LIMIT = 175_000_000
"""Most pixels in a photo, just under the size at which Pillow itself refuses to open a file."""


_DRAFT_MARGIN = 1.5
"""How much larger than the crop a JPEG decoded at reduced size must still be. Measured on sharp photos with the
least favourable crops: 38.8 dB from the full decoding without a margin, 46.1 with 1.5, 50.0 with 2; and the margin
of 1.5 keeps most of the time won."""


class PhotoError(OnarError):
    """A picture file that cannot be read; the message is `file: reason`."""


class PhotoTooLargeError(PhotoError):
    """A picture of more pixels than allowed."""


class NotAPhotoError(PhotoError):
    """A file that is not a picture in a format Onar reads."""


class PhotoSource(Protocol):
    """A picture file: a `Path`, or what stands for one that is not a file on this disk; `str` names it."""

    def open(self, mode: Literal["rb"], /) -> BinaryIO:
        """Open it for reading; raises what opening a file raises."""


@dataclass(frozen=True)
class PhotoBytes:
    """A picture file in memory, such as a member of a shard."""

    name: str
    content: bytes

    def open(self, _mode: Literal["rb"], /) -> BinaryIO:
        """Open it for reading."""
        return BytesIO(self.content)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class OpenPicture:
    """An open picture file, of which no more is decoded than needed to know its size.

    Attributes:
        path: which file.
        file: open for reading.
        image: as Pillow opened it: not upright, and often not decoded yet.
        page: what tifffile knows of a TIFF file; None for others.
        deep: its pixels where Pillow cannot read them right; then `image` only shows them.
        losses: what was left out to open it.
    """

    path: PhotoSource
    file: BinaryIO
    image: Image.Image
    page: TiffPage | None = None
    deep: DeepTiff | None = None
    losses: tuple[Loss, ...] = ()

    def decode(self, turn: Transpose | None) -> Decoded:
        """Decode the whole picture, setting it upright; inside `map_photo_errors`."""
        return decode(self.file, self.image, self.deep, turn)

    @property
    def count(self) -> int:
        """How many pictures the file holds."""
        return len(self.page.parent.pages) if self.page else int(getattr(self.image, "n_frames", 1))


@dataclass(frozen=True)
class PhotoFile:
    """An open photo; read its pixels once, with `read` or with `read_crop`."""

    opened: OpenPicture
    turn: Transpose | None
    """What sets the decoded picture upright."""
    height: int
    """Rows of the upright photo."""
    width: int
    """Columns of the upright photo."""

    @property
    def image(self) -> Image.Image:
        """As Pillow opened it: not upright, and for a JPEG not decoded yet."""
        return self.opened.image

    def read(self) -> Image.Image:
        """Decode the whole photo as an upright RGB picture.

        Raises:
            PhotoError: the file is damaged.
        """
        with map_photo_errors(self.opened.path):
            return self.opened.decode(self.turn).rgb

    def read_crop(self, box: Corners, height: int, width: int) -> EightBits:
        """Decode the part of the upright photo inside `box`, resized with antialiasing to height×width.

        A JPEG much larger than needed is decoded at 1/2, 1/4 or 1/8 of its size.

        Returns:
            uint8 H×W×3.

        Raises:
            PhotoError: the file is damaged.
        """
        left, top, right, bottom = box
        excess = min((right - left) / width, (bottom - top) / height)
        reduction = next((factor for factor in (8, 4, 2) if _DRAFT_MARGIN * factor <= excess), 1)
        with map_photo_errors(self.opened.path):
            if self.image.draft(None, (self.image.width // reduction, self.image.height // reduction)) is None:
                reduction = 1
        scaled = (left / reduction, top / reduction, right / reduction, bottom / reduction)
        return np.asarray(self.read().resize((width, height), Resampling.BICUBIC, scaled, reducing_gap=3.0))


@contextmanager
def open_photo(path: PhotoSource, pixel_limit: int = PIXEL_LIMIT) -> Iterator[PhotoFile]:
    """Open a photo, reading no more than needed to know its size.

    Raises:
        PhotoError: the file is missing, empty, damaged, of more pixels than `pixel_limit`, or not a picture.
    """
    with open_picture(path, pixel_limit) as opened:
        with map_photo_errors(path):
            if opened.image.format not in ("JPEG", "MPO"):
                opened.image.load()  # their size and orientation are certain only now, and there is no reduced decoding
            turn = find_turn(opened.image)
        swapped = turn in (Transpose.TRANSPOSE, Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90)
        width, height = reversed(opened.image.size) if swapped else opened.image.size
        yield PhotoFile(opened, turn, height, width)


@contextmanager
def open_picture(
    path: PhotoSource, pixel_limit: int = PIXEL_LIMIT, formats: Collection[str] = frozenset(READABLE.values())
) -> Iterator[OpenPicture]:
    """Open a picture file; what Pillow gives is not decoded yet.

    Args:
        path: the picture file.
        pixel_limit: most pixels it may have, whatever `PIL.Image.MAX_IMAGE_PIXELS` says.
        formats: those it may be in, as Pillow names them.

    Raises:
        PhotoTooLargeError: it has more pixels.
        PhotoError: it is missing, empty, damaged, or not a picture.
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
                # Only these formats: Pillow would also run old, rarely tested decoders, and Ghostscript.
                known = sorted(set(formats) - _unknown_to_pillow(start))
                opened = _open_other(path, inspect(file, start), pixel_limit, known)
        with pillow_opens(pixel_limit):  # some files turn out larger when they are decoded
            yield opened


def _open_other(path: PhotoSource, inspected: Inspected, pixel_limit: int, formats: list[str]) -> OpenPicture:
    with pillow_opens(inf):  # of what size it is, is not known before
        image = Image.open(inspected.file, formats=formats)
    check_size(path, *image.size, pixel_limit)
    mended = inspected.with_end()
    if mended is not inspected:
        with pillow_opens(pixel_limit):
            image = Image.open(mended.file, formats=formats)
    return OpenPicture(path, mended.file, image, losses=mended.losses)


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
    """Raise `PhotoTooLargeError` for more pixels than allowed."""
    if width * height > pixel_limit:
        size = f"{width} x {height}"
        raise PhotoTooLargeError(f"{printable(path)}: larger than {pixel_limit / 1_000_000:g} megapixels ({size})")


def _unknown_to_pillow(start: bytes) -> set[str]:
    """HEIF, unless a file that starts like this may be one: then Pillow learns it, which takes a moment."""
    if start[4:8] != b"ftyp" or "HEIF" not in READABLE.values():
        return {"HEIF"}
    _teach_heif()
    return set()


@cache
def _teach_heif() -> None:
    from pillow_heif import register_heif_opener

    register_heif_opener()


def read_photo(path: Path) -> Image.Image:
    """Decode a photo as an upright RGB picture.

    Raises:
        PhotoError: as `open_photo` and `PhotoFile.read`.
    """
    with open_photo(path) as photo:
        return photo.read()


def read_mask(path: PhotoSource, pixel_limit: int = PIXEL_LIMIT) -> EightBits:
    """Read a mask file, uint8 H×W, upright; `onar.masks.holes_from_mask` says what is hole.

    That is its brightness, where what is transparent counts as black: picture editors leave any colour under it. Of
    strokes on a transparent layer, in whatever colour, it is their opacity.

    Raises:
        PhotoError: as `open_photo`.
    """
    with open_photo(path, pixel_limit) as photo, map_photo_errors(path):
        return photo.opened.decode(photo.turn).mask


def mask_of_picture(picture: Image.Image) -> EightBits:
    """The mask in a Pillow picture of any mode, as `read_mask` gives that of a file."""
    turn = find_turn(picture)
    if picture.mode.startswith("I"):
        picture = Image.fromarray(integers_as_8_bits(np.asarray(picture)))
    return decode_picture(picture if turn is None else picture.transpose(turn)).mask


def find_turn(image: Image.Image) -> Transpose | None:
    """What sets a picture upright, by its EXIF orientation; None for an orientation of 1, missing or damaged."""
    try:
        check_values(BytesIO(exif_of(image)))
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # as many kinds as `map_photo_errors` meets; without EXIF the photo is still a photo
        return None


@contextmanager
def map_photo_errors(path: PhotoSource) -> Iterator[None]:
    """Turn whatever Pillow raises on a damaged file into one line, and keep its warnings to itself."""
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
    except Exception as error:  # decoders raise a dozen kinds: SyntaxError, struct.error, EOFError, ...
        if is_out_of_memory(error):
            raise OutOfMemoryError(f"{printable(path)}: not enough memory to read it") from error
        raise PhotoError(f"{printable(path)}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Say in a few words why a file cannot be read."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return f"damaged or of an unknown kind ({' '.join(str(error).split()) or type(error).__name__})"
