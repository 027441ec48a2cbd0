"""Decode an opened picture file to upright pixels, for training, completing and masks alike.

Pillow decodes most files. 16-bit PNGs are decoded by OpenCV, because Pillow has no 16-bit colour,
and TIFFs of more than 8 bits by `tiff`.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Transpose

from onar.imaging.formats.png import PngFacts, read_facts
from onar.imaging.formats.tiff import DeepTiff
from onar.imaging.levels import Pixels, as_8_bits, in_used_bits, integers_as_8_bits, scaled_to_16_bits, white_of
from onar.imaging.losses import Loss
from onar.masks.holes import THRESHOLD

GREY_SPREAD, COLOURED_SHARE = 48, 0.05
"""Maximum difference between the channels of a grey pixel, and the share of other pixels of a coloured picture."""
_STRIP_BYTES = 1 << 18
"""Of a strip of a picture as Pillow holds it: larger ones get new memory from the system each time, and cost 7 times as
much."""
_COLOUR_MODELS = ("CMYK", "LAB", "YCbCr", "HSV")


@dataclass(frozen=True)
class Decoded:
    """An upright picture.

    Attributes:
        pixels: uint8 or uint16, H×W (grey) or H×W×3 (RGB).
        alpha: H×W of the same type, 0 = transparent; None if there is none.
        icc_profile: colour profile of the pixels; empty if there is none.
        losses: data that could not be kept.
    """

    pixels: Pixels
    alpha: Pixels | None
    icc_profile: bytes
    losses: tuple[Loss, ...]

    @property
    def rgb(self) -> Image.Image:
        """The pixels as an 8-bit RGB picture, the input of networks; alpha is dropped."""
        picture = Image.fromarray(in_used_bits(self.pixels))
        return picture if picture.mode == "RGB" else picture.convert("RGB")

    @property
    def brightness(self) -> NDArray[np.uint8]:
        """Brightness, uint8 H×W; transparent pixels are black. 16-bit values up to 255 are taken as 8-bit values."""
        if self.pixels.ndim == 2 and self.alpha is None:
            return integers_as_8_bits(self.pixels)
        picture = Image.fromarray(integers_as_8_bits(self.pixels))
        if self.alpha is not None:
            picture.putalpha(Image.fromarray(as_8_bits(self.alpha)))
            picture = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture)
        return np.asarray(picture.convert("L"))

    @property
    def mask(self) -> NDArray[np.uint8]:
        """The picture as a mask, uint8 H×W: its brightness, or the opacity of strokes on a transparent layer."""
        if self.alpha is not None and _is_painted(integers_as_8_bits(self.pixels), self.alpha):
            return as_8_bits(self.alpha)
        return self.brightness


def _is_painted(colours: NDArray[np.uint8], alpha: Pixels) -> bool:
    """Whether a picture, H×W or H×W×3, is a transparent layer with strokes of any colour, not a mask."""
    seen = as_8_bits(alpha) >= THRESHOLD
    if seen.all() or not seen.any():
        return False
    if colours.ndim == 3:
        spread = np.ptp(colours[seen], axis=1)
        if np.count_nonzero(spread > GREY_SPREAD) > COLOURED_SHARE * spread.size:
            return True
        colours = np.asarray(cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY), np.uint8)
    bright = colours >= THRESHOLD
    if bright[seen].any():
        return bool(bright[seen].all())
    return not bright[~seen].any()  # otherwise a mask whose white was made transparent


def decode(file: BinaryIO, image: Image.Image, deep: DeepTiff | None = None, turn: Transpose | None = None) -> Decoded:
    """Decode a picture file; raises errors of any type for a damaged one, see `map_photo_errors`.

    Args:
        file: open for reading; 16-bit PNGs are read from it again.
        image: opened by Pillow.
        deep: pixels that Pillow cannot read.
        turn: transposition that makes it upright.
    """
    profile = image.info.get("icc_profile") or b""
    if deep is not None:
        return _split(_turned(deep.pixels, turn), profile, deep.losses)
    image.load()
    if image.format != "PNG":
        return _decode_plain(image, profile, turn)
    facts = read_facts(file)
    if facts.bits == 16 or facts.transparent:
        return _decode_png(file, image, facts, turn)
    return _decode_plain(image, profile, turn)


def decode_rgb(
    file: BinaryIO, image: Image.Image, deep: DeepTiff | None = None, turn: Transpose | None = None
) -> Image.Image:
    """As `decode`, as an 8-bit RGB picture, the input of networks; alpha is dropped.

    Most photos are such pictures, which need not become an array and back: that took a fifth of the time.
    """
    if deep is None:
        image.load()
        is_plain = image.mode == "RGB" and not image.has_transparency_data
        if is_plain and (image.format != "PNG" or read_facts(file).bits == 8):
            return image if turn is None else image.transpose(turn)
    return decode(file, image, deep, turn).rgb


def decode_picture(image: Image.Image) -> Decoded:
    """Decode a Pillow picture, which need not be a file.

    >>> decode_picture(Image.new("LA", (4, 3))).pixels.shape
    (3, 4)
    """
    return _decode_plain(image, b"", None)


def _split(pixels: Pixels, profile: bytes, losses: tuple[Loss, ...]) -> Decoded:
    """Split H×W×C into colours and alpha: grey, grey and alpha, RGB, or RGB and alpha."""
    channels = pixels.shape[2]
    alpha = np.ascontiguousarray(pixels[..., -1]) if channels in (2, 4) else None
    colours = np.ascontiguousarray(pixels[..., 0] if channels < 3 else pixels[..., :3])
    return Decoded(colours, alpha, profile, losses)


def _turned(pixels: Pixels, turn: Transpose | None) -> Pixels:
    if turn is None:
        return pixels
    channels = (Image.fromarray(np.ascontiguousarray(pixels[..., at])) for at in range(pixels.shape[2]))
    return np.dstack([np.asarray(channel.transpose(turn)) for channel in channels])


# ---------------------------------------------------------------- by Pillow


def _decode_plain(image: Image.Image, profile: bytes, turn: Transpose | None) -> Decoded:
    losses = []
    if image.mode in _COLOUR_MODELS:
        losses.append(Loss("colour_model", model=image.mode))
    if image.mode in ("CMYK", "LAB"):
        image, profile = _through_profile(image, profile), b""
    else:
        image = _plain(image)
    upright = image if turn is None else image.transpose(turn)
    return _split(_as_array(upright), profile, tuple(losses))


def _as_array(image: Image.Image) -> NDArray[np.uint8]:
    """A picture in L, LA, RGB or RGBA as H×W×C, strip by strip: of a whole one, Pillow holds two more copies."""
    pixels = np.empty((image.height, image.width, len(image.getbands())), np.uint8)
    rows = max(1, _STRIP_BYTES // (4 * image.width))
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        pixels[top:bottom] = np.atleast_3d(np.asarray(image.crop((0, top, image.width, bottom))))
    return pixels


def _plain(image: Image.Image, with_alpha: bool = True) -> Image.Image:
    """A decoded picture in 8 bits: L, LA, RGB or RGBA."""
    grey = image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")
    mode = ("L" if grey else "RGB") + ("A" if with_alpha and image.has_transparency_data else "")
    if image.mode == "F" or image.mode.startswith("I"):  # Pillow would clip them at 255
        values = np.asarray(image)
        image = Image.fromarray(as_8_bits(scaled_to_16_bits(values, white_of(values))))
    return image if image.mode == mode else image.convert(mode)


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert to sRGB with the picture's colour profile; without a usable one, with Pillow's default conversion."""
    if profile:
        from PIL import ImageCms

        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
            return converted if converted is not None else image.convert("RGB")
        except (OSError, ImageCms.PyCMSError):
            pass
    return image.convert("RGB")


# ---------------------------------------------------------------- PNG


def _decode_png(file: BinaryIO, image: Image.Image, facts: PngFacts, turn: Transpose | None) -> Decoded:
    """A PNG of 16 bits, or with a transparent colour, which Pillow compares in 8 bits only."""
    plain = _plain(image, with_alpha=image.mode.endswith("A"))
    if facts.is_grey and plain.mode == "RGBA":  # as Pillow reads grey and alpha of 16 bits
        plain = plain.convert("LA")
    stored = np.atleast_3d(np.asarray(plain))
    pixels: Pixels = _turned(stored, turn)
    losses = []
    if facts.bits == 16:
        deep = _read_16_bits(file, turn, pixels)
        if deep is None:
            losses.append(Loss("fewer_bits"))
        else:
            pixels = deep
    if facts.transparent:
        white = np.iinfo(pixels.dtype).max
        levels = np.array(facts.transparent) * white // (2**facts.bits - 1)
        seen = (pixels != levels.astype(pixels.dtype)).any(axis=2)
        pixels = np.dstack([pixels, np.multiply(seen, white, dtype=pixels.dtype)])
    return _split(pixels, image.info.get("icc_profile") or b"", tuple(losses))


def _read_16_bits(file: BinaryIO, turn: Transpose | None, expected: NDArray[np.uint8]) -> NDArray[np.uint16] | None:
    """Read an upright PNG, found undamaged before, in 16 bits with OpenCV; None if that reads something else.

    Whether OpenCV applies the orientation depends on its version, so the result, H×W×C, is compared with `expected`,
    the upright photo in 8 bits: grey, grey and alpha, RGB, or RGB and alpha.
    """
    file.seek(0)
    read = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    wanted = {1: [0], 2: [0, 3], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[expected.shape[2]]  # OpenCV's order is BGRA
    if read is None or read.dtype != np.uint16 or np.atleast_3d(read).shape[2] <= max(wanted):
        return None
    stored = np.asarray(np.atleast_3d(read)[..., wanted], np.uint16)
    for candidate in (stored, _turned(stored, turn)):
        if candidate.shape == expected.shape and cv2.absdiff(as_8_bits(candidate), expected).max() <= 1:
            return np.asarray(candidate, np.uint16)
    return None
