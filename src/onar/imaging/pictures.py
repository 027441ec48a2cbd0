"""Pillow pictures as arguments and results in Python: made upright, with their metadata."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, TiffTags

from onar.imaging.formats import exif as exif_block
from onar.imaging.formats.endings import FORMATS, ending_of
from onar.imaging.formats.resolution import of_picture
from onar.imaging.formats.xmp import upright
from onar.imaging.orientation import find_turn

_XMP_IN_PNG = "XML:com.adobe.xmp"
_TWICE = (_XMP_IN_PNG, "Raw profile type exif")
"""Texts of a PNG that hold EXIF or XMP."""
_COLOUR = "transparency"
"""Key of the transparent colour of a picture without alpha, in `info`."""
_SAVED = ("exif", "icc_profile", "dpi", "xmp")
"""Entries of `info` that Pillow's `save` mostly writes only if they are passed to it."""
_MAX_JPEG_BYTES = {"exif": 65_533, "xmp": 65_504}
"""Bytes."""


class CarryingPicture(Image.Image):
    """A picture whose `save` writes its metadata, which Pillow's own drops: `info`, and the texts of a PNG."""

    _texts: Mapping[str, str] = MappingProxyType({})
    """Lost by pickling, as everything except the pixels and `info`."""

    def __init__(self, picture: Image.Image, info: dict[Any, Any], texts: dict[str, str]) -> None:
        super().__init__()
        self.im, self._mode, self._size = picture.im, picture.mode, picture.size
        self.info = info
        self._texts = texts

    def save(self, fp: Any, format: str | None = None, **params: Any) -> None:
        """As Pillow's, with EXIF, colour profile, resolution, XMP and PNG texts; arguments take precedence."""
        kind = format or (FORMATS.get(ending_of(os.fspath(fp))) if isinstance(fp, (str, os.PathLike)) else None)
        super().save(fp, format, **{**self._carried(str(kind).upper()), **params})

    def _carried(self, kind: str) -> dict[str, Any]:
        """Arguments of `save` for a format."""
        carried = {name: self.info[name] for name in _SAVED if self.info.get(name)}
        if kind == "JPEG":
            return {
                name: value for name, value in carried.items() if len(value) <= _MAX_JPEG_BYTES.get(name, len(value))
            }
        if kind == "PNG":
            carried["pnginfo"] = self._png_texts()
        if kind == "TIFF":
            carried["exif"] = _exif_for_tiff(carried.pop("exif", b""), carried.pop("xmp", b""))
        return carried

    def _png_texts(self) -> PngImagePlugin.PngInfo:
        chunks = PngImagePlugin.PngInfo()
        for key, text in self._texts.items():
            chunks.add_text(key, text)  # iTXt as iTXt
        if xmp := self.info.get("xmp"):
            chunks.add_itxt(_XMP_IN_PNG, xmp.decode("utf-8", "replace"))
        return chunks


def set_upright(picture: Image.Image) -> Image.Image:
    """Apply the EXIF orientation of a picture; returns the picture itself if there is none.

    >>> set_upright(Image.new("L", (4, 3))).size
    (4, 3)
    """
    picture.load()  # Pillow applies the orientation of a TIFF here
    turn = find_turn(picture)
    return picture if turn is None else picture.transpose(turn)


def split_alpha(picture: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Split a picture of mode RGB, RGBA, L or LA into colours, H×W×3 or H×W, and alpha, H×W or None; both uint8.

    For a picture with a transparent colour, alpha is 0 or 255.

    >>> colours, alpha = split_alpha(Image.new("RGBA", (4, 3)))
    >>> colours.shape, alpha.shape
    ((3, 4, 3), (3, 4))
    """
    colours = np.asarray(picture.convert(picture.mode.removesuffix("A")))
    if picture.mode.endswith("A"):
        return colours, np.asarray(picture.getchannel("A"))
    if _COLOUR not in picture.info:
        return colours, None
    seen = (np.atleast_3d(colours) != np.asarray(picture.info[_COLOUR])).any(axis=2)
    return colours, np.multiply(seen, 255, dtype=np.uint8)


def join_alpha(colours: NDArray[np.uint8], alpha: NDArray[np.uint8] | None, source: Image.Image) -> Image.Image:
    """The inverse of `split_alpha`, with the mode of `source`; opaque pixels never get its transparent colour."""
    if alpha is not None and not source.mode.endswith("A"):
        like_it = (np.atleast_3d(colours) == np.asarray(source.info[_COLOUR])).all(axis=2) & (alpha > 0)
        colours = np.where(like_it if colours.ndim == 2 else like_it[..., None], colours ^ 1, colours)
    picture = Image.fromarray(colours)
    if alpha is not None and source.mode.endswith("A"):
        picture.putalpha(Image.fromarray(alpha))
    return picture


def carry(picture: Image.Image, source: Image.Image) -> CarryingPicture:
    """Copy the metadata of a source to the upright result made from it, with EXIF and XMP for the upright one."""
    info = {name: value for name, value in source.info.items() if name not in (*_TWICE, "exif", "dpi")}
    if xmp := source.info.get("xmp") or source.info.get(_XMP_IN_PNG):
        info["xmp"] = upright(xmp.encode() if isinstance(xmp, str) else bytes(xmp))
    if block := _upright_exif(source, *picture.size):
        info["exif"] = exif_block.PREFIX + block
    if dpi := _dpi(source):
        info["dpi"] = dpi
    texts = {key: text for key, text in getattr(source, "text", {}).items() if key not in _TWICE}
    return CarryingPicture(picture, info, texts)


def _dpi(source: Image.Image) -> tuple[float, float] | None:
    """The resolution of a picture, unless Pillow made it up: for files without one, or without a unit."""
    try:
        return of_picture(source, exif_block.exif_of(source)).dpi
    except ValueError:
        return None


def _upright_exif(source: Image.Image, width: int, height: int) -> bytes:
    """The EXIF block for the upright picture; empty if there is none, or it is damaged."""
    try:
        block = exif_block.exif_of(source) or _exif_of_tiff(source)
        return exif_block.upright(block, width, height) if block else b""
    except (ValueError, KeyError, struct.error):
        return b""


def _exif_of_tiff(source: Image.Image) -> bytes:
    """The tags of a TIFF file except its pixel layout, as an EXIF block; empty for other files."""
    if not hasattr(source, "tag_v2"):
        return b""
    written = _with_texts_as_they_are(source.getexif()).tobytes()
    order, directory = exif_block.read_first_directory(io.BytesIO(exif_block.without_prefix(written)))
    return exif_block.block_from_tiff(directory, order)


def _exif_for_tiff(block: bytes, xmp: bytes) -> Image.Exif:
    exif = Image.Exif()
    exif.load(block)
    exif = _with_texts_as_they_are(exif)
    if xmp:
        exif[exif_block.XMP] = xmp
    return exif


def _with_texts_as_they_are(exif: Image.Exif) -> Image.Exif:
    """A copy whose texts are bytes, because Pillow writes only the ASCII part of strings."""
    copy = Image.Exif()
    for tag, value in exif.items():
        below = exif.get_ifd(tag) if tag in TiffTags.TAGS_V2_GROUPS else None
        copy[tag] = _as_bytes(value) if below is None else {name: _as_bytes(one) for name, one in below.items()}
    return copy


def _as_bytes(value: Any) -> Any:
    return value.encode("latin-1") if isinstance(value, str) else value
