"""A JPEG file keeps the coefficients of every block without a changed pixel."""

import io
import shutil
import subprocess
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import jpegio
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from onar.imaging.formats.jpeg import segments
from onar.imaging.formats.jpeg_blocks import with_changed_pixels
from onar.imaging.images import PhotoBytes
from onar.imaging.photo_file import read_photo_file, write_photo
from tests.support.pictures import COFFEE, encode

RNG = np.random.default_rng(5)


def coefficients(content: bytes, folder: Path) -> Any:
    file = folder / "read.jpg"
    file.write_bytes(content)
    return jpegio.read(str(file))


def a_jpeg(height: int, width: int, mode: str = "RGB", **options: object) -> bytes:
    left, top = (int(RNG.integers(0, side - size + 1)) for side, size in ((600, width), (400, height)))
    crop = Image.open(COFFEE).convert(mode).crop((left, top, left + width, top + height))
    return encode(crop, "JPEG", **{"quality": int(RNG.integers(40, 100)), **options})


def a_change(height: int, width: int) -> NDArray[np.bool_]:
    changed = np.zeros((height, width), bool)
    for _ in range(int(RNG.integers(1, 4))):
        top, left = RNG.integers(0, height), RNG.integers(0, width)
        changed[top : top + RNG.integers(1, 40), left : left + RNG.integers(1, 40)] = True
    return changed


def touched(changed: NDArray[np.bool_], tall: int, wide: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """For each coefficient of a component, whether its block has a changed pixel."""
    blocks = np.zeros((shape[0] // 8, shape[1] // 8), bool)
    for y, x in zip(*np.nonzero(changed), strict=True):
        blocks[y // tall, x // wide] = True
    return blocks.repeat(8, 0).repeat(8, 1)


def assert_others_kept(
    before: bytes, after: bytes, changed: NDArray[np.bool_], folder: Path, *, coded_alike: bool = True
) -> None:
    old, new = coefficients(before, folder), coefficients(after, folder)
    coding = [(one.progressive_mode, one.restart_interval) for one in (old, new)]
    assert coding[0] == coding[1] or not coded_alike
    most = [max(getattr(info, name) for info in old.comp_info) for name in ("v_samp_factor", "h_samp_factor")]
    for info, one, other in zip(old.comp_info, old.coef_arrays, new.coef_arrays, strict=True):
        tall, wide = 8 * most[0] // info.v_samp_factor, 8 * most[1] // info.h_samp_factor
        kept = ~touched(changed, tall, wide, one.shape)
        assert np.array_equal(one[kept], other[kept])
    for one, other in zip(old.quant_tables, new.quant_tables, strict=True):
        assert np.array_equal(one, other)


KINDS: dict[str, dict[str, Any]] = {
    "grey": {"mode": "L"},
    "4:4:4": {"subsampling": 0},
    "4:2:2": {"subsampling": 1},
    "4:2:0": {"subsampling": 2},
    "progressive": {"subsampling": 2, "progressive": True},
    "restarts": {"subsampling": 2, "restart_marker_blocks": 3},
    "best tables": {"subsampling": 2, "optimize": True},
    "RGB": {"keep_rgb": True},
}


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_without_a_changed_pixel_keep_their_coefficients(kind: str, tmp_path: Path) -> None:
    for _ in range(12):
        height, width = (int(side) for side in RNG.integers(1, 100, 2))
        content = a_jpeg(height, width, **KINDS[kind])
        pixels = np.asarray(Image.open(io.BytesIO(content))).copy()
        changed = a_change(height, width)
        pixels[changed] = 255 - pixels[changed]
        after = with_changed_pixels(content, pixels, changed)
        assert after is not None
        assert_others_kept(content, after, changed, tmp_path)
        # The new pixels are as near as compressing the whole photo with these tables takes them.
        tables = {"qtables": Image.open(io.BytesIO(content)).quantization}  # type: ignore[attr-defined]
        options = {name: value for name, value in KINDS[kind].items() if name in ("subsampling", "keep_rgb")}
        whole = np.asarray(Image.open(io.BytesIO(encode(pixels, "JPEG", **tables, **options)))).astype(int)
        here = np.asarray(Image.open(io.BytesIO(after))).astype(int)
        assert np.abs(here - pixels)[changed].mean() <= np.abs(whole - pixels)[changed].mean() * 1.2 + 1


def huffman_tables(content: bytes) -> list[bytes]:
    return [content[start:end] for marker, start, end in segments(content) if marker == 0xC4]


@pytest.mark.parametrize(("kind", "are_kept"), [("4:2:0", True), ("grey", True), ("best tables", False)])
def test_tables_with_all_codes_are_kept_and_others_are_made_for_the_new_coefficients(kind: str, are_kept: bool) -> None:
    content = a_jpeg(96, 96, **KINDS[kind] | {"quality": 30})
    pixels = np.asarray(Image.open(io.BytesIO(content))).copy()
    changed = np.zeros((96, 96), bool)
    changed[40:60, 40:60] = True
    pixels[changed] = RNG.integers(0, 2, pixels[changed].shape) * 255  # coefficients that no photo has
    after = with_changed_pixels(content, pixels, changed)
    assert after is not None
    assert (b"".join(huffman_tables(after)) == b"".join(huffman_tables(content))) == are_kept
    here = np.asarray(Image.open(io.BytesIO(after))).astype(int)
    assert np.abs(here - pixels)[~changed].mean() < np.abs(here - pixels)[changed].mean() < 128


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_keeps_its_orientation_and_metadata(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Artist] = orientation, "me"
    content = a_jpeg(41, 67, quality=95, subsampling=0, exif=exif, dpi=(300, 300), comment=b"kept")
    photo = read_photo_file(PhotoBytes("a.jpg", content))
    changed = a_change(*photo.size)
    pixels = photo.pixels.copy()
    pixels[changed] = 200
    file = io.BytesIO()
    losses = write_photo(file, "JPEG", replace(photo, pixels=pixels, changed=changed))
    with Image.open(file) as result, Image.open(io.BytesIO(content)) as stored:
        assert (losses, result.size, result.info["comment"]) == ([], stored.size, b"kept")
        assert dict(result.getexif()) == dict(stored.getexif())
        assert result.info["dpi"] == (300, 300)
        upright = np.asarray(ImageOps.exif_transpose(result)).astype(int)
    assert np.abs(upright - pixels)[changed].mean() < 8
    assert_others_kept(content, file.getvalue(), _as_stored(changed, orientation), tmp_path)


def _as_stored(upright: NDArray[np.bool_], orientation: int) -> NDArray[np.bool_]:
    """Found by trying: the picture that Pillow's transposition for the orientation makes upright."""
    for turned in (upright, upright.T):
        for stored in (turned, turned[::-1], turned[:, ::-1], turned[::-1, ::-1]):
            picture = Image.fromarray(stored.astype(np.uint8) * 255)
            picture.getexif()[ExifTags.Base.Orientation] = orientation
            if np.array_equal(np.asarray(ImageOps.exif_transpose(picture)) > 0, upright):
                return stored
    raise AssertionError(orientation)


@pytest.mark.parametrize("kind", ["4:2:0", "progressive", "4:4:4"])
def test_ten_saves_lose_nothing_outside_of_the_changes(kind: str, tmp_path: Path) -> None:
    first = content = a_jpeg(150, 201, **KINDS[kind])
    every = np.zeros((150, 201), bool)
    for _ in range(10):
        photo = read_photo_file(PhotoBytes("a.jpg", content))
        changed = a_change(150, 201)
        pixels = photo.pixels.copy()
        pixels[changed] = RNG.integers(0, 256, 3)
        file = io.BytesIO()
        assert write_photo(file, "JPEG", replace(photo, pixels=pixels, changed=changed)) == []
        content, every = file.getvalue(), every | changed
    assert_others_kept(first, content, every, tmp_path)
    if shutil.which("jpegtran"):  # of libjpeg-turbo, which knows nothing of the library that wrote the file
        assert wiped(first, every, tmp_path) == wiped(content, every, tmp_path)


def wiped(content: bytes, changed: NDArray[np.bool_], folder: Path) -> bytes:
    """A JPEG file as jpegtran encodes its coefficients again, with those of touched blocks of 16 pixels made grey."""
    file = folder / "wiped.jpg"
    file.write_bytes(content)
    height, width = changed.shape
    for top, left in product(range(0, height, 16), range(0, width, 16)):
        block = changed[top : top + 16, left : left + 16]
        if block.any() or (top, left) == (0, 0):
            place = f"{block.shape[1]}x{block.shape[0]}+{left}+{top}"
            command = ["jpegtran", "-copy", "none", "-optimize", "-wipe", place, str(file)]
            file.write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    return file.read_bytes()


def test_a_file_replaced_in_the_meantime_is_not_mixed_with_the_photo(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(a_jpeg(60, 60))
    photo = read_photo_file(path)
    path.write_bytes(a_jpeg(60, 60) + b"other")
    file = io.BytesIO()
    losses = write_photo(file, "JPEG", replace(photo, changed=np.zeros((60, 60), bool)))
    assert [loss.key for loss in losses] == ["compresses"]
    assert np.abs(np.asarray(Image.open(file)).astype(int) - photo.pixels).mean() < 8


def test_damaged_files_are_whole_or_refused() -> None:
    content = a_jpeg(64, 64, subsampling=2)
    pixels, changed = np.full((64, 64, 3), 90, np.uint8), a_change(64, 64)
    for _ in range(200):
        broken = bytearray(content)
        for at in RNG.integers(2, len(content), int(RNG.integers(1, 6))):
            broken[at] = RNG.integers(0, 256)
        after = with_changed_pixels(bytes(broken[: RNG.integers(len(content) // 2, len(content) + 1)]), pixels, changed)
        assert after is None or Image.open(io.BytesIO(after)).size == (64, 64)
    cmyk = encode(Image.new("CMYK", (64, 64)), "JPEG")
    assert with_changed_pixels(cmyk, pixels, changed) is None
