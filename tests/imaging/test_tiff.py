import logging
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from onar.imaging.formats import exif
from onar.imaging.images import PhotoError, open_photo, read_mask, read_photo
from onar.imaging.photo_file import Photo, read_photo_file
from tests.conftest import PHOTOS
from tests.support.runs import one_line

HEIGHT, WIDTH = 37, 53


def photo(channels: int = 1) -> NDArray[np.float64]:
    """A real photo in [0, 1], H×W or H×W×C; the last of two or four channels is alpha."""
    picture = Image.open(PHOTOS / "skimage_coffee.jpg").resize((WIDTH, HEIGHT))
    pixels = np.asarray(picture.convert("L" if channels < 3 else "RGB")) / 255
    if channels in (1, 3):
        return pixels
    return np.dstack([pixels, np.tile(np.linspace(0, 1, WIDTH), (HEIGHT, 1))])


def stored(channels: int, kind: str) -> NDArray[np.generic]:
    white = 1 if np.dtype(kind).kind == "f" else np.iinfo(kind).max
    return np.asarray(np.rint(photo(channels) * white) if white > 1 else photo(channels)).astype(kind)


def write(path: Path, pixels: NDArray[np.generic], **options: object) -> Path:
    channels = np.atleast_3d(pixels).shape[2]
    options.setdefault("photometric", "rgb" if channels > 2 else "minisblack")
    if options.get("planarconfig") == "separate":
        pixels = np.moveaxis(pixels, -1, 0)
    extra = ["unassalpha"] if channels in (2, 4) else None
    with tifffile.TiffWriter(path, byteorder=options.pop("byteorder", None), bigtiff="big" in options) as writer:
        options.pop("big", None)
        writer.write(pixels, metadata=None, extrasamples=options.pop("extrasamples", extra), **options)
    return path


def write_by_hand(path: Path, rows: bytes, order: str = "<", **tags: int) -> Path:
    """A TIFF file that is not compressed, of one strip; tags are given as t256=53."""
    numbers = {256: WIDTH, 257: HEIGHT, 259: 1, 262: 1, 273: 8, 277: 1, 278: HEIGHT, 279: len(rows)}
    numbers |= {int(name[1:]): value for name, value in tags.items()}
    values = {tag: exif.long_numbers(order, number) for tag, number in numbers.items()}
    at = 8 + len(rows) + len(rows) % 2
    directory = exif.directory_bytes(exif.Directory(values), order, at)
    path.write_bytes(exif.tiff_header(order, at) + rows.ljust(at - 8, b"\0") + directory)
    return path


def in_levels(result: Photo) -> NDArray[np.float64]:
    """The photo with its alpha in [0, 1]."""
    pixels = result.pixels if result.alpha is None else np.dstack([result.pixels, result.alpha])
    return pixels / np.iinfo(pixels.dtype).max


# ---------------------------------------------------------------- every way to store
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "kind", ["uint8", "uint16", "uint32", "int8", "int16", "int32", "float16", "float32", "float64"]
)
def test_numbers_of_every_type_are_read_as_the_same_photo(tmp_path: Path, kind: str, channels: int) -> None:
    path = write(tmp_path / "a.tif", stored(channels, kind))
    result = read_photo_file(path)
    assert result.pixels.dtype == (np.uint8 if kind == "uint8" else np.uint16)
    step = 1 / 127 if kind == "int8" else 1 / 255 if kind == "uint8" else 1e-3
    assert np.abs(in_levels(result) - photo(channels)).max() <= step
    colours = photo(channels) if channels in (1, 3) else photo(channels)[..., :-1]
    seen = np.asarray(read_photo(path)) / 255  # as training reads it
    assert np.abs(seen - colours.reshape(HEIGHT, WIDTH, -1)).max() <= step + 1 / 255


@pytest.mark.parametrize("kind", ["uint16", "int32", "float32"])
@pytest.mark.parametrize(
    "options",
    [
        {"compression": "zlib"},
        {"compression": "zlib", "predictor": True, "rowsperstrip": 5},
        {"compression": "zlib", "predictor": True, "byteorder": ">"},
        {"compression": "zlib", "predictor": True, "tile": (16, 32)},
        {"tile": (16, 32)},
        {"planarconfig": "separate", "rowsperstrip": 5},
        {"big": True},
        {"byteorder": ">"},
    ],
)
def test_pixels_are_found_however_they_are_laid_out(tmp_path: Path, options: dict[str, object], kind: str) -> None:
    if kind == "float32":
        options = {name: value for name, value in options.items() if name != "predictor"}
    result = read_photo_file(write(tmp_path / "a.tif", stored(3, kind), **options))
    assert np.abs(in_levels(result) - photo(3)).max() < 1e-3


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_deflate"])
def test_16_bits_are_read_whatever_compresses_them(tmp_path: Path, compression: str) -> None:
    Image.fromarray(stored(1, "uint16")).save(tmp_path / "a.tif", compression=compression)
    assert np.array_equal(read_photo_file(tmp_path / "a.tif").pixels, stored(1, "uint16"))


def test_differences_of_floats_are_summed_up(tmp_path: Path) -> None:
    numbers = stored(1, "float32")
    planes = numbers.astype(">f4").view(np.uint8).reshape(HEIGHT, WIDTH, 4).transpose(0, 2, 1).reshape(HEIGHT, -1)
    steps = np.diff(planes, axis=1, prepend=np.zeros((HEIGHT, 1), np.uint8)).astype(np.uint8)
    path = write_by_hand(tmp_path / "a.tif", steps.tobytes(), t258=32, t317=3, t339=3)
    assert np.abs(in_levels(read_photo_file(path)) - photo()).max() < 1e-4


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_bits_that_fill_no_bytes_are_unpacked(tmp_path: Path, bits: int) -> None:
    numbers = np.rint(photo() * (2**bits - 1)).astype(np.uint16)
    single = (numbers[..., None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8).reshape(HEIGHT, -1)
    path = write_by_hand(tmp_path / "a.tif", np.packbits(single, axis=1).tobytes(), t258=bits)
    assert np.abs(in_levels(read_photo_file(path)) - photo()).max() < 1e-3


@pytest.mark.parametrize("kind", ["uint8", "uint16", "uint32", "float32"])
def test_white_may_be_zero(tmp_path: Path, kind: str) -> None:
    white = 1 if kind == "float32" else np.iinfo(kind).max
    path = write(tmp_path / "a.tif", (white - stored(1, kind)).astype(kind), photometric="miniswhite")
    assert np.abs(in_levels(read_photo_file(path)) - photo()).max() <= 1 / 255
    assert np.abs(np.asarray(read_photo(path))[..., 0] / 255 - photo()).max() <= 2 / 255


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_colours_that_were_multiplied_by_their_alpha_are_read_as_they_were(tmp_path: Path, kind: str) -> None:
    whole = photo(4)
    colours, alpha = whole[..., :3], whole[..., 3:]
    white = np.iinfo(kind).max
    multiplied = np.rint(np.dstack([colours * alpha, alpha]) * white).astype(kind)
    path = write(tmp_path / "a.tif", multiplied, extrasamples=["assocalpha"], planarconfig="separate")
    result = in_levels(read_photo_file(path))
    opaque = alpha[..., 0] > 0.5
    assert np.abs(result[opaque] - whole[opaque]).max() <= 3 / 255


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("kind", ["uint16", "float32"])
def test_a_turned_photo_is_set_upright_at_every_depth(tmp_path: Path, kind: str, orientation: int) -> None:
    turned = {3: photo(3)[::-1, ::-1], 6: np.rot90(photo(3))}[orientation]
    white = 1 if kind == "float32" else 65535
    path = write(tmp_path / "a.tif", (turned * white).astype(kind), extratags=[(274, 3, 1, orientation, True)])
    assert np.abs(in_levels(read_photo_file(path)) - photo(3)).max() < 1e-3
    with open_photo(path) as opened:
        assert (opened.height, opened.width) == (HEIGHT, WIDTH)
        crop = opened.read_crop((10, 5, 30, 25), 20, 20)
    assert np.abs(crop / 255 - photo(3)[5:25, 10:30]).max() < 2 / 255


# ---------------------------------------------------------------- what is white
@pytest.mark.parametrize("brightest", [1.02, 1.6, 9.0])
def test_floats_above_one_are_clipped_and_not_taken_for_another_scale(tmp_path: Path, brightest: float) -> None:
    numbers = photo().astype(np.float32)
    numbers[0, :5], numbers[1, :5], numbers[2, 0] = brightest, -0.1, np.nan
    result = read_photo_file(write(tmp_path / "a.tif", numbers))
    assert result.pixels[:2, :5].tolist() == [[65535] * 5, [0] * 5]
    assert np.abs(in_levels(result)[3:] - photo()[3:]).max() < 1e-4
    clipped = "values below black or above white, 1, are clipped"
    assert result.losses == ("its values of type float32 become integers of 16 bits", clipped)


def test_large_integers_that_hold_16_bits_keep_them(tmp_path: Path) -> None:
    for kind in ("uint32", "int32"):
        result = read_photo_file(write(tmp_path / "a.tif", stored(1, "uint16").astype(kind)))
        assert np.array_equal(result.pixels, stored(1, "uint16"))
        assert not result.losses


def test_unused_bits_are_not_seen_by_networks(tmp_path: Path) -> None:
    twelve = (stored(1, "uint16") >> 4).astype(np.uint16)
    path = write(tmp_path / "a.tif", twelve)
    assert np.array_equal(read_photo_file(path).pixels, twelve)
    assert np.abs(np.asarray(read_photo(path))[..., 0] / 255 - photo()).max() < 2 / 255


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        (np.full((4, 4), 1e9, np.float32), r"its values reach 1e\+09: scale them so that white is 1"),
        (np.full((4, 4), -7, np.int16), "it holds negative values, down to -7: scale them so that black is 0"),
        (np.full((4, 4), 1j, np.complex64), "its pixels are values of 64 bits: save it with 8 or 16 bits"),
    ],
)
def test_what_cannot_be_read_right_is_refused(tmp_path: Path, numbers: NDArray[np.generic], reason: str) -> None:
    path = write(tmp_path / "a.tif", numbers)
    for read in (read_photo_file, read_photo, read_mask):
        with one_line(rf"a\.tif: {reason}", PhotoError):
            read(path)


def test_what_pillow_drops_without_a_word_is_said(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((20, 31, 4), np.uint16), photometric="separated", metadata=None)
    assert read_photo_file(tmp_path / "a.tif").losses == ("CMYK becomes RGB", "its pixels are reduced to 8 bits")
    for kind in (np.uint8, np.uint16):
        write(tmp_path / "b.tif", np.zeros((20, 31, 5), kind), extrasamples=["unspecified", "unspecified"])
        (loss,) = read_photo_file(tmp_path / "b.tif").losses
        assert loss == "of its 5 channels, those that are neither colour nor transparency are left out"


def test_compression_and_colours_that_are_not_read_are_named(tmp_path: Path) -> None:
    rows = bytes(2 * HEIGHT * WIDTH)
    with pytest.raises(PhotoError, match="compressed by JPEG2000 in 16 bits: save it without compression"):
        read_photo(write_by_hand(tmp_path / "a.tif", rows, t258=16, t259=34712))
    with pytest.raises(PhotoError, match="its colours are LOGLUV in 16 bits: save it as RGB or grey"):
        read_photo(write_by_hand(tmp_path / "a.tif", rows, t258=16, t262=32845))


@pytest.mark.parametrize("kind", ["uint16", "float32"])
def test_random_damage_never_raises_anything_but_photo_error(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(0)
    content = np.frombuffer(write(tmp_path / "a.tif", stored(3, kind), compression="zlib").read_bytes(), np.uint8)
    for _ in range(100):
        changed = content.copy()
        changed[rng.integers(250, size=3)] = rng.integers(256, size=3)
        (tmp_path / "a.tif").write_bytes(changed[: rng.integers(len(changed) // 2, len(changed) + 1)].tobytes())
        with suppress(PhotoError):
            read_photo_file(tmp_path / "a.tif", 100_000)


def test_a_small_file_cannot_ask_for_much_memory(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="larger than"):
        read_photo(write_by_hand(tmp_path / "a.tif", bytes(9), t256=60_000, t257=60_000, t258=16))
    with pytest.raises(PhotoError, match="channels: save it as RGB or grey"):
        read_photo(write_by_hand(tmp_path / "a.tif", bytes(9), t258=16, t277=60_000))
    # Tags of which each says that it is the whole file
    many = struct.pack("<H", 60_000) + struct.pack("<HHII", 700, 7, 700_000, 8) * 60_000
    (tmp_path / "a.tif").write_bytes(exif.tiff_header("<", 8) + many)
    with (tmp_path / "a.tif").open("rb") as file:
        _, directory = exif.read_first_directory(file)
    assert sum(len(value.content) for value in directory.values.values()) <= 2 * len(many)


def test_reading_many_files_leaves_nothing_behind_in_the_process(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", stored(1, "uint8"))
    read_photo(path)
    handlers = list(logging.getLogger("tifffile").handlers)
    for _ in range(3):
        read_photo(path)
    assert logging.getLogger("tifffile").handlers == handlers


# ---------------------------------------------------------------- YCbCr, and many bytes
def ycbcr_rows(across: int, down: int) -> bytes:
    """The photo as YCbCr with colours for blocks of N pixels, as TIFF stores it without compression."""
    colours = np.asarray(Image.open(PHOTOS / "skimage_coffee.jpg").resize((WIDTH, HEIGHT)).convert("YCbCr"), float)
    padded = np.pad(colours, ((0, -HEIGHT % down), (0, -WIDTH % across), (0, 0)), mode="edge")
    rows, columns = padded.shape[0] // down, padded.shape[1] // across
    blocks = padded.reshape(rows, down, columns, across, 3).transpose(0, 2, 1, 3, 4)
    brightness = blocks[..., 0].reshape(rows, columns, -1)
    return np.concatenate([brightness, blocks[..., 1:].mean((2, 3))], axis=2).round().astype(np.uint8).tobytes()


@pytest.mark.parametrize(("across", "down"), [(1, 1), (2, 2), (2, 1), (1, 2), (4, 1), (4, 4)])
def test_ycbcr_without_compression_is_read(tmp_path: Path, across: int, down: int) -> None:
    rows = ycbcr_rows(across, down)
    path = write_by_hand(tmp_path / "a.tif", rows, t262=6, t258=(8, 8, 8), t277=3, t530=(across, down))
    assert np.abs(in_levels(read_photo_file(path)) - photo(3)).mean() < 0.03
    assert np.abs(np.asarray(read_photo(path)) / 255 - photo(3)).mean() < 0.03


@pytest.mark.parametrize("options", [{"tile": (16, 32)}, {"rowsperstrip": 5}, {"planarconfig": "separate"}])
def test_ycbcr_is_read_however_it_is_laid_out(tmp_path: Path, options: dict[str, object]) -> None:
    picture = np.asarray(Image.open(PHOTOS / "skimage_coffee.jpg").resize((WIDTH, HEIGHT)).convert("YCbCr"))
    path = write(tmp_path / "a.tif", picture, photometric="ycbcr", subsampling=(1, 1), **options)
    assert np.abs(in_levels(read_photo_file(path)) - photo(3)).mean() < 0.01


@pytest.mark.parametrize("kind", ["uint16", "float32", "float64"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}])
def test_the_limit_counts_pixels_and_not_their_bytes(
    tmp_path: Path, kind: str, options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expected = write(tmp_path / "a.tif", stored(3, kind), **options), photo(3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", HEIGHT * WIDTH)  # Pillow refuses twice as many
    assert np.abs(in_levels(read_photo_file(path)) - expected).max() < 1e-3
    with open_photo(path, HEIGHT * WIDTH) as opened:
        assert opened.read().size == (WIDTH, HEIGHT)
