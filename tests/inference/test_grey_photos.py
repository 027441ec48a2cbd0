"""Black-and-white photos get grey fills, in any storage format and with any backend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from onar import Inpainter
from onar.fills.pyramid import Frame
from onar.imaging.images import PhotoBytes
from onar.imaging.photo_file import read_photo_file
from onar.inference.backends import Backend
from onar.serve.completing import complete_upload
from onar.serve.config import ServeConfig
from onar.serve.editor.requests import FillUpload, SaveUpload
from onar.serve.editor.tasks import fill_hole, save_photo
from onar.serve.http.uploads import Upload
from onar.serve.weights import WeightsShelf
from tests.conftest import PHOTOS
from tests.support.pictures import encode
from tests.support.runs import run_onar

HEIGHT, WIDTH = 90, 120
HOLE = np.zeros((HEIGHT, WIDTH), bool)
HOLE[20:60, 30:80] = True
BRIGHT = np.asarray(Image.open(PHOTOS / "skimage_coffee.jpg").convert("L").resize((WIDTH, HEIGHT)))


class Colourful(Backend):
    """Fills every hole with noise of all colours."""

    device = "cpu"

    def __call__(self, photo: Frame, known: Frame, /) -> Frame:
        """See `Backend`."""
        return np.random.default_rng(0).random(photo.shape, np.float32)


def colourful() -> Inpainter:
    return Inpainter(Colourful(), 64)


def in_colour(bits: int = 8) -> np.ndarray:
    """The black-and-white photo in three channels, with colours under its hole."""
    values = BRIGHT if bits == 8 else BRIGHT.astype(np.uint16) * ((2**bits - 1) // 255)
    pixels = np.repeat(values[..., None], 3, axis=2)
    pixels[HOLE, 0] //= 2
    return pixels


def is_filled_in_grey(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether known pixels are the same, and the fill is another one and has no colour."""
    fill = after[HOLE].astype(int)
    same = np.array_equal(after[~HOLE], before[~HOLE])
    return same and bool(np.ptp(fill, axis=-1).max() == 0) and len(np.unique(fill)) > 50


def png(pixels: np.ndarray) -> bytes:
    order = {2: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}[pixels.shape[-1] if pixels.ndim == 3 else 2]
    written: bytes = cv2.imencode(".png", pixels if order is None else cv2.cvtColor(pixels, order))[1].tobytes()
    return written


def mask_file(hole: np.ndarray = HOLE) -> bytes:
    return png(hole.astype(np.uint8) * 255)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("texture", ["network", "auto"])
def test_an_array_that_is_grey_in_three_channels_stays_grey(bits: int, texture: str) -> None:
    photo = in_colour(bits)
    assert is_filled_in_grey(photo, colourful()(photo, HOLE, texture=texture))


def test_a_photo_with_a_coloured_pixel_gets_colours() -> None:
    photo = in_colour()
    photo[5, 5] = 90, 120, 90
    assert np.ptp(colourful()(photo, HOLE, texture="network")[HOLE].astype(int), axis=1).max() > 50


def test_colours_under_transparency_do_not_count() -> None:
    wide = np.zeros((HEIGHT, 1000, 4), np.uint8)
    wide[:, :WIDTH, :3], wide[:, :WIDTH, 3] = in_colour(), 255
    wide[:, WIDTH:, 0] = 200
    hole = np.zeros(wide.shape[:2], bool)
    hole[:, :WIDTH] = HOLE
    completed = np.asarray(colourful()(Image.fromarray(wide), hole, texture="network"))
    assert is_filled_in_grey(wide[:, :WIDTH, :3], completed[:, :WIDTH, :3])
    assert np.array_equal(completed[:, WIDTH:], wide[:, WIDTH:])


# ---------------------------------------------------------------- files
GREY = Image.fromarray(BRIGHT)
STORED: dict[str, Callable[[], bytes]] = {
    "rgb.png": lambda: png(in_colour()),
    "rgb16.png": lambda: png(in_colour(16)),
    "rgb12.png": lambda: png(in_colour(12)),
    "rgba.png": lambda: png(np.dstack([in_colour(), np.where(BRIGHT > 200, 255, 128).astype(np.uint8)])),
    "palette.png": lambda: encode(GREY.convert("RGB").quantize(200), "PNG"),
    "one.png": lambda: encode(GREY, "PNG"),
    "one16.png": lambda: png(BRIGHT.astype(np.uint16) * 257),
    "la.png": lambda: encode(GREY.convert("LA"), "PNG"),
    "rgb.jpg": lambda: encode(GREY.convert("RGB"), "JPEG", quality=60),
    "rgb.webp": lambda: encode(GREY.convert("RGB"), "WEBP", quality=70),
    "rgb.tif": lambda: encode(GREY.convert("RGB"), "TIFF"),
}


@pytest.mark.parametrize("name", STORED)
def test_a_file_of_any_kind_stays_grey(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Inpainter, "load", lambda *_args, **_options: colourful())
    photo, mask, output = tmp_path / name, tmp_path / "mask.png", tmp_path / f"out{Path(name).suffix}"
    photo.write_bytes(STORED[name]())
    mask.write_bytes(mask_file())
    run_onar("complete", photo, "--mask", mask, "--output", output, "--texture", "network")
    filled = read_photo_file(output).pixels
    if filled.ndim == 3:
        # JPEG is compressed again; the others hold what was filled.
        assert np.ptp(filled[HOLE].astype(int), axis=1).max() <= (2 if name.endswith("jpg") else 0)
    assert len(np.unique(filled[HOLE])) > 50


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch) -> WeightsShelf:
    monkeypatch.setattr(WeightsShelf, "choose", lambda *_: colourful())
    return WeightsShelf(None)


def test_a_server_answers_in_grey(weights: WeightsShelf) -> None:
    upload = Upload(photo=png(in_colour(16)), mask=mask_file(), texture="network")
    answer = complete_upload(upload, weights, ServeConfig())
    assert is_filled_in_grey(in_colour(16), read_photo_file(PhotoBytes("the answer", answer.content)).pixels)


def test_holes_that_the_page_fills_one_by_one_are_grey(weights: WeightsShelf) -> None:
    config, photo = ServeConfig(), png(in_colour())
    other = np.zeros((24, 24), bool)
    other[2:22, 2:22] = True
    # The hole first: under it are colours, which would be known to the fill of another hole.
    upload = FillUpload(photo=photo, mask=mask_file(HOLE[20:60, 30:80]), at="30,20", texture="network")
    first = fill_hole(upload, weights, config)
    earlier = {"earlier": [first.content], "earlier_at": ["30,20"]}
    upload = FillUpload(photo=photo, mask=mask_file(other), at="90,62", texture="network", **earlier)
    second = fill_hole(upload, weights, config)
    both = {"earlier": [first.content, second.content], "earlier_at": ["30,20", "90,62"]}
    result = read_photo_file(PhotoBytes("the result", save_photo(SaveUpload(photo=photo, **both), config).content))
    assert np.ptp(result.pixels.astype(int), axis=2).max() == 0
    assert len(np.unique(result.pixels[64:84, 92:112])) > 20
