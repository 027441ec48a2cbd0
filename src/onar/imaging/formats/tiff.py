"""TIFF files: reads those that Pillow cannot read correctly, and writes all.

Pillow and OpenCV support some pixel layouts and misread others, for example as a negative. So files with more than 8
bits per value, floats or signed integers are parsed by tifffile. Pillow's libtiff only decompresses them, as rows of
bytes, which also bounds the memory that a small file can take.
"""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.TiffImagePlugin import COMPRESSION_INFO, TiffImageFile

from onar.errors import OnarError
from onar.imaging.formats import exif as exif_block
from onar.imaging.formats.metadata import NO_METADATA, Metadata
from onar.imaging.formats.png import BLOCK, LEVEL
from onar.imaging.levels import Pixels, as_8_bits, scaled_to_16_bits, white_of
from onar.imaging.losses import Loss

if TYPE_CHECKING:
    from tifffile import TiffPage

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _YCBCR = 0, 1, 2, 6
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_PREMULTIPLIED_ALPHA, _ALPHA = 1, 2
_APART = 2
_JPEG = (6, 7)
_NO_PREDICTOR, _DIFFERENCES, _FLOAT_DIFFERENCES = 1, 2, 3
_MAX_CHANNELS = 8


class NotReadError(OnarError):
    """A TIFF file whose pixels cannot be read correctly; the message is the reason."""


@dataclass(frozen=True)
class DeepTiff:
    """The first picture of a TIFF file, uint8 or uint16 H×W×C: grey, grey and alpha, RGB, or RGB and alpha."""

    pixels: Pixels
    losses: tuple[Loss, ...]


# ---------------------------------------------------------------- recognising


def is_tiff(start: bytes) -> bool:
    r"""Whether a file starts as a TIFF file does; four bytes are enough.

    >>> is_tiff(b"II*\0")
    True
    """
    return start[:4] in _MAGIC


def read_page(file: BinaryIO) -> TiffPage:
    """The tags of the first picture of a TIFF file.

    Raises `UnidentifiedImageError` if there is none, and errors of any type if the file is damaged.
    """
    from tifffile import TiffFile, TiffFileError, TiffPage  # slow to import, and rarely needed

    _silence_tifffile()
    file.seek(0)
    try:
        page = TiffFile(file).pages[0]
    except (IndexError, TiffFileError) as error:
        raise UnidentifiedImageError("no picture in it") from error
    assert isinstance(page, TiffPage)
    return page


@cache
def _silence_tifffile() -> None:
    """Silence tifffile's warnings; cached, because handlers accumulate."""
    logging.getLogger("tifffile").addHandler(logging.NullHandler())


def is_deep(page: TiffPage) -> bool:
    """Whether a picture needs `read_deep`: grey or RGB values that Pillow cannot read, or separate planes."""
    plain = page.sampleformat == _UNSIGNED and np.max(page.bitspersample) <= 8
    apart = page.planarconfig == _APART and page.samplesperpixel != 3 and page.compression not in _JPEG
    return page.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB) and (apart or not plain)


def open_plain(file: BinaryIO, page: TiffPage) -> Image.Image:
    """Open a picture that is not `is_deep` with Pillow.

    Pillow decodes YCbCr with libtiff only if it is compressed, so this selects libtiff.
    """
    image = Image.open(file, formats=["TIFF"])
    if page.photometric == _YCBCR and page.compression == 1 and isinstance(image, TiffImageFile):
        image.use_load_libtiff = True
        arguments = ("RGBX", "raw", False, image.tag_v2.offset)  # mode, compression, no descriptor, offset of the tags
        image.tile = [ImageFile._Tile("libtiff", (0, 0, page.imagewidth, page.imagelength), 0, arguments)]
    return image


def lost_by_pillow(page: TiffPage, channels: int) -> list[Loss]:
    """Data that Pillow drops silently from a picture that it reads as the given number of channels."""
    plain = page.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB)
    losses = [Loss("fewer_bits")] if np.max(page.bitspersample) > 8 else []
    return losses + (
        [Loss("channels", count=page.samplesperpixel)] if plain and page.samplesperpixel > channels else []
    )


# ---------------------------------------------------------------- reading


def read_deep(file: BinaryIO, page: TiffPage) -> DeepTiff:
    """Decode a picture that `is_deep`, or that Pillow does not support.

    Unsigned values of 8 and 16 bits are kept; others are scaled to 16 bits, with white as in `white_of`. Raises
    `NotReadError` if its layout is not supported, and `NoWhiteError` if its value range cannot be inferred.
    """
    colours = 3 if page.photometric == _RGB else 1
    channels = page.samplesperpixel
    _check_readable(page, colours)
    values = np.dstack(list(_planes(file, page)))
    pixels, losses = _as_pixels(values, page)
    if page.photometric == _WHITE_IS_ZERO:
        pixels[..., :1] = np.iinfo(pixels.dtype).max - pixels[..., :1]
    kinds = [int(kind) for kind in page.extrasamples]
    if not kinds and channels == colours + 1:  # some programs omit the type of the extra channel
        kinds = [_ALPHA]
    alpha = next((at for at, kind in enumerate(kinds) if kind in (_PREMULTIPLIED_ALPHA, _ALPHA)), None)
    if channels > colours + (alpha is not None):
        losses.append(Loss("channels", count=channels))
    if alpha is None:
        return DeepTiff(pixels[..., :colours], tuple(losses))
    kept = pixels[..., [*range(colours), colours + alpha]]
    return DeepTiff(_with_own_colours(kept) if kinds[alpha] == _PREMULTIPLIED_ALPHA else kept, tuple(losses))


def _check_readable(page: TiffPage, colours: int) -> None:
    """Raise `NotReadError` for layouts that `read_deep` does not support."""
    bits = page.bitspersample
    if not isinstance(bits, int):
        raise NotReadError(f"its channels have different numbers of bits {bits}: save it with 8 or 16 in each")
    if page.photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB):
        kind = getattr(page.photometric, "name", page.photometric)
        raise NotReadError(f"its colours are {kind} in {bits} bits: save it as RGB or grey")
    floats = page.sampleformat == _FLOAT and bits in (16, 32, 64)
    integers = page.sampleformat in (_UNSIGNED, _SIGNED) and bits in (8, 16, 32, 64)
    packed = page.sampleformat == _UNSIGNED and bits < 16 and page.predictor == _NO_PREDICTOR
    if not (floats or integers or packed) or page.imagedepth != 1:
        kind = {_UNSIGNED: "integers", _SIGNED: "signed integers", _FLOAT: "floats"}.get(page.sampleformat, "values")
        raise NotReadError(f"its pixels are {kind} of {bits} bits: save it with 8 or 16 bits without sign")
    if not colours <= page.samplesperpixel <= _MAX_CHANNELS:
        raise NotReadError(f"it has {page.samplesperpixel} channels: save it as RGB or grey")
    if page.compression not in COMPRESSION_INFO or page.compression in _JPEG:
        kind = getattr(page.compression, "name", page.compression)
        raise NotReadError(f"it is compressed by {kind} in {bits} bits: save it without compression")


def _planes(file: BinaryIO, page: TiffPage) -> list[NDArray[Any]]:
    """The stored values: one array H×W×C, or one H×W×1 per channel for separate planes."""
    file.seek(0)
    content = file.read()
    planes = page.samplesperpixel if page.planarconfig == _APART else 1
    each = len(page.dataoffsets) // planes
    segments = [slice(plane * each, (plane + 1) * each) for plane in range(planes)]
    return [_decode(content, page, segment, page.samplesperpixel // planes) for segment in segments]


def _decode(content: bytes, page: TiffPage, segment: slice, channels: int) -> NDArray[Any]:
    """Decode strips or tiles with the given number of channels to H×W×C."""
    bits = page.bitspersample
    width, tile = page.imagewidth, page.tilewidth if page.is_tiled else page.imagewidth
    rows = _decompress(content, page, segment, -(-tile * channels * bits // 8))
    across = -(-width // tile)
    parts = [_numbers(part, page, tile, channels) for part in np.split(rows, across, axis=1)]
    return np.concatenate(parts, axis=1)[:, :width]


def _decompress(content: bytes, page: TiffPage, segment: slice, row: int) -> NDArray[np.uint8]:
    """Decompress strips or tiles with libtiff as a grey picture of bytes, uint8 H×W, with `row` bytes per row."""
    order = page.parent.byteorder
    tiles = -(-page.imagewidth // page.tilewidth) if page.is_tiled else 1
    tags: dict[int, int | tuple[int, ...]] = {}
    tags |= {256: tiles * row, 257: page.imagelength, 258: 8, 259: int(page.compression), 262: _BLACK_IS_ZERO, 277: 1}
    if page.is_tiled:
        tags |= {322: row, 323: page.tilelength, 324: page.dataoffsets[segment], 325: page.databytecounts[segment]}
    else:
        rows = min(page.rowsperstrip, page.imagelength)
        tags |= {278: rows, 273: page.dataoffsets[segment], 279: page.databytecounts[segment]}
    values = {tag: exif_block.long_numbers(order, numbers) for tag, numbers in tags.items()}
    at = len(content) + len(content) % 2
    directory = exif_block.directory_bytes(exif_block.Directory(values), order, at)
    patched = exif_block.tiff_header(order, at) + content[8:].ljust(at - 8, b"\0") + directory
    with TiffImageFile(io.BytesIO(patched)) as image:
        # Allocated here, because Pillow would take the bytes for pixels and refuse them. The size was checked before.
        image.im = Image.new("L", image.size).im
        return np.asarray(image)


def _numbers(rows: NDArray[np.uint8], page: TiffPage, width: int, channels: int) -> NDArray[Any]:
    """Decompressed rows of a strip or a column of tiles as values, H×W×C."""
    height, bits = len(rows), page.bitspersample
    if bits not in (8, 16, 32, 64):
        single = np.unpackbits(rows, axis=1)[:, : width * channels * bits].reshape(height, width, channels, bits)
        return np.asarray(single @ (1 << np.arange(bits - 1, -1, -1)), np.uint16)
    letter = {_UNSIGNED: "u", _SIGNED: "i", _FLOAT: "f"}[page.sampleformat]
    size = bits // 8
    if page.predictor == _FLOAT_DIFFERENCES:
        # The first bytes of all values of the row, then the second bytes, ...; each as the difference to the previous.
        steps = rows.reshape(height, -1, channels)
        summed = np.cumsum(steps, axis=1, dtype=np.uint8).reshape(height, size, width * channels)
        rows = np.ascontiguousarray(summed.transpose(0, 2, 1)).reshape(height, -1)
        return rows.view(f">{letter}{size}").reshape(height, width, channels)
    order = page.parent.byteorder
    rows = np.ascontiguousarray(rows)
    if page.predictor == _DIFFERENCES:
        # Differences of floats are those of their bit patterns as integers.
        steps = rows.view(f"{order}u{size}").reshape(height, width, channels).astype(f"=u{size}")
        return np.cumsum(steps, axis=1, dtype=steps.dtype).view(f"={letter}{size}")
    return rows.view(f"{order}{letter}{size}").reshape(height, width, channels)


def shown(deep: DeepTiff, page: TiffPage) -> Image.Image:
    """An 8-bit Pillow picture of these pixels, with the orientation of the file."""
    pixels = as_8_bits(deep.pixels)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.format = "TIFF"
    image.info["icc_profile"] = page.iccprofile
    image.getexif()[exif_block.ORIENTATION] = page.tags.valueof(exif_block.ORIENTATION, default=1)
    return image


# ---------------------------------------------------------------- value range


def is_scaled(page: TiffPage) -> bool:
    """Whether pixel values differ from those in the file."""
    return page.sampleformat != _UNSIGNED or np.max(page.bitspersample) not in (8, 16)


def _as_pixels(values: NDArray[Any], page: TiffPage) -> tuple[Pixels, list[Loss]]:
    """Values of any type as uint8 or uint16 with black at 0, and the losses."""
    bits = page.bitspersample
    if not is_scaled(page):
        return np.array(values, np.uint8 if bits == 8 else np.uint16, order="C"), []
    if page.sampleformat == _UNSIGNED and bits < 16:
        return scaled_to_16_bits(values, 2**bits - 1), []
    white = white_of(values)
    losses = [Loss("integers", type=values.dtype.name)] if white > 2**16 or values.dtype.kind == "f" else []
    if ((values < 0) | (values > white)).any():
        losses.append(Loss("clipped", white=f"{white:g}"))
    return scaled_to_16_bits(values, white), losses


def _with_own_colours(pixels: Pixels) -> Pixels:
    """Divide the colours of H×W×C by their alpha, the last channel."""
    white = np.iinfo(pixels.dtype).max
    colours = pixels[..., :-1] * (np.float32(white) / np.maximum(pixels[..., -1:], 1))
    pixels[..., :-1] = np.rint(np.clip(colours, 0, white))
    return pixels


# ---------------------------------------------------------------- writing


def write_tiff(file: BinaryIO, pixels: Pixels, metadata: Metadata = NO_METADATA) -> None:
    """Write a TIFF file with deflate compression, EXIF as tags of the file, and `aspect` only without `dpi`.

    Args:
        file: open for reading and writing.
        pixels: uint8 or uint16, H×W or H×W×C: grey, grey and alpha, RGB, or RGB and alpha.
        metadata: for the upright photo; PNG's chunks and the comment are not written.

    >>> file = io.BytesIO()
    >>> write_tiff(file, np.zeros((2, 3), np.uint8))
    >>> read_page(file).shape
    (2, 3)
    """
    from tifffile import TiffWriter

    block = exif_block.without_prefix(metadata.exif)
    order: Literal["<", ">"] = ">" if block.startswith(b"MM") else "<"
    channels, resolution = np.atleast_3d(pixels).shape[2], metadata.dpi or metadata.aspect
    with TiffWriter(file, byteorder=order) as writer:
        writer.write(
            pixels,
            photometric="rgb" if channels > 2 else "minisblack",
            planarconfig="contig",
            extrasamples=["unassalpha"] if channels in (2, 4) else None,
            compression="zlib",
            compressionargs={"level": LEVEL},
            predictor=True,
            rowsperstrip=max(1, BLOCK * len(pixels) // pixels.size),
            maxworkers=1,  # photos are written in parallel already
            iccprofile=metadata.icc_profile or None,
            resolution=resolution,
            resolutionunit="inch" if metadata.dpi else "none",
            metadata=None,
            software=False,
        )
    more = {exif_block.XMP: exif_block.some_bytes(metadata.xmp)} if metadata.xmp else {}
    more |= {exif_block.IPTC: exif_block.undefined(metadata.iptc)} if metadata.iptc else {}
    exif_block.add_to_tiff(file, block, more, () if resolution else exif_block.RESOLUTION)
