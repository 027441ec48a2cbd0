"""Photos that are extended by margins, by the command and in Python."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

import onar
from onar import Inpainter
from onar.errors import UsageError
from onar.imaging.formats.png import write_png
from onar.imaging.images import PhotoBytes, PhotoTooLargeError
from onar.imaging.photo_file import read_photo_file
from onar.inference.extending import extended
from onar.inference.photos import MaskedPhoto
from tests.completion.test_completion import hole_of, photo_of, run, save_mask
from tests.support.pictures import encode

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
WIDTH_TAG, HEIGHT_TAG, ORIENTATION = 0xA002, 0xA003, 0x0112


def test_margins_are_filled_and_the_photo_in_them_stays_bit_for_bit(tmp_path: Path) -> None:
    photo_of(40, 60).save(tmp_path / "a.png", icc_profile=PROFILE)
    said = run(tmp_path / "a.png", "--extend", "10%,5,0,25%", "--output", tmp_path / "b.png")
    assert "is new" not in said.err
    before, after = (np.asarray(Image.open(tmp_path / name)) for name in ("a.png", "b.png"))
    assert after.shape == (40 + 5 + 10, 60 + 6, 3)
    assert np.array_equal(after[5:45, 6:], before)
    assert Image.open(tmp_path / "b.png").info["icc_profile"] == PROFILE
    new = np.delete(after.reshape(-1, 3), np.flatnonzero(np.pad(np.ones((40, 60)), ((5, 10), (6, 0)))), axis=0)
    assert new.min() >= before.min()
    assert new.max() <= before.max()


@pytest.mark.parametrize("seed", range(6))
def test_any_photo_is_extended_by_any_margins(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(1, 90, 2))
    dtype, channels = [np.uint8, np.uint16][seed % 2], [3, 1, 4][seed % 3]
    pixels = (cv2.resize(np.asarray(photo_of(90, 90)), (width, height)).astype(dtype)) * (257 if seed % 2 else 1)
    pixels = pixels.astype(dtype)
    pixels = np.dstack([pixels, np.full((height, width), np.iinfo(dtype).max // 2, dtype)]) if channels == 4 else pixels
    pixels = pixels[..., 0] if channels == 1 else pixels
    with (tmp_path / "a.png").open("wb") as file:
        write_png(file, pixels)
    left, top, right, bottom = (int(side) for side in rng.integers(0, 40, 4))
    run(tmp_path / "a.png", "--extend", f"{left},{top},{right},{bottom + 1}", "--output", tmp_path / "b.png")
    before, after = (read_photo_file(tmp_path / name) for name in ("a.png", "b.png"))
    inner = np.s_[top : top + height, left : left + width]
    assert after.size == (height + top + bottom + 1, width + left + right)
    assert after.pixels.dtype == dtype
    assert np.array_equal(after.pixels[inner], before.pixels)
    if before.alpha is not None:
        assert np.array_equal(after.alpha[inner], before.alpha)
        assert (after.alpha[-1] == np.iinfo(dtype).max).all()


def test_the_hole_of_an_extended_photo_is_its_margins_and_the_holes_of_its_mask() -> None:
    rng = np.random.default_rng(4)
    for _ in range(100):
        height, width, *sides = (int(side) for side in rng.integers((1, 1, 0, 0, 0, 0), 30, 6))
        sides[0] += 1  # at least one is more than 0
        left, top, right, bottom = sides
        content = encode(rng.integers(0, 256, (height, width, 4), dtype=np.uint8))
        photo, mask = read_photo_file(PhotoBytes("photo", content)), rng.random((height, width)) < 0.3
        result = extended(MaskedPhoto(photo, mask, "PNG"), ",".join(map(str, sides)), 10_000)
        wanted = np.ones((height + top + bottom, width + left + right), bool)
        wanted[top : top + height, left : left + width] = mask
        assert np.array_equal(result.hole, wanted)
        assert (result.photo.alpha[wanted] == 255)[~np.pad(mask, ((top, bottom), (left, right)))[wanted]].all()
        much = height * width < 0.5 * wanted.size
        assert [doubt.endswith("a fill is a guess") for doubt in result.doubts] == [True] * much
        with pytest.raises(PhotoTooLargeError, match="extended to"):
            extended(MaskedPhoto(photo, mask, "PNG"), ",".join(map(str, sides)), wanted.size - 1)


def test_a_jpeg_says_its_new_size_and_that_it_is_compressed_again(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif.get_ifd(0x8769).update({WIDTH_TAG: 64, HEIGHT_TAG: 48})
    photo_of(48, 64).save(tmp_path / "a.jpg", quality=90, exif=exif, icc_profile=PROFILE)
    said = run(tmp_path / "a.jpg", "--extend", "16", "--output", tmp_path / "b.jpg")
    assert "compresses the whole photo again" in said.err
    with Image.open(tmp_path / "b.jpg") as result:
        assert result.size == (48 + 32, 64 + 32)
        assert result.info["icc_profile"] == PROFILE
        details = result.getexif().get_ifd(0x8769)
        assert (result.getexif()[ORIENTATION], details[WIDTH_TAG], details[HEIGHT_TAG]) == (1, 80, 96)
        inner = np.asarray(result)[16:-16, 16:-16].astype(int)
    assert np.abs(inner - read_photo_file(tmp_path / "a.jpg").pixels).mean() < 4


def test_holes_of_a_mask_of_the_photo_s_size_are_filled_too_and_results_are_resumed(tmp_path: Path) -> None:
    photo_of(40, 60).save(tmp_path / "a.png")
    mask = save_mask(tmp_path / "m.png", hole_of(40, 60))
    line = tmp_path / "a.png", "--mask", mask, "--extend", "8", "--output", tmp_path / "b.png"
    run(*line)
    before, after = (np.asarray(Image.open(tmp_path / name)) for name in ("a.png", "b.png"))
    inner = after[8:-8, 8:-8]
    assert np.array_equal(inner[~hole_of(40, 60)], before[~hole_of(40, 60)])
    assert (inner != before).any(axis=2)[hole_of(40, 60)].mean() > 0.9
    written = (tmp_path / "b.png").stat().st_mtime_ns
    assert "existed already" in run(*line, "--resume").out + run(*line, "--resume").err
    assert (tmp_path / "b.png").stat().st_mtime_ns == written


def test_large_margins_are_doubted_and_too_large_ones_refused(tmp_path: Path) -> None:
    photo_of(40, 60).save(tmp_path / "a.png")
    assert "of the result is new" in run(tmp_path / "a.png", "--extend", "30%", "--output", tmp_path / "b.png").err
    line = tmp_path / "a.png", "--extend", "999999", "--output", tmp_path / "c.png"
    assert "more than 200 megapixels" in run(*line, code=1).err
    assert not (tmp_path / "c.png").exists()


@pytest.mark.parametrize("margins", ["", "0", "-3", "1,2", "1,2,3,4,5", "ten", "1.5", "0,0,0,0%", "5px", "1e9", "%"])
def test_what_is_no_margin_is_refused_in_one_line(tmp_path: Path, margins: str) -> None:
    photo_of(10, 10).save(tmp_path / "a.png")
    said = run(tmp_path / "a.png", f"--extend={margins}", "--output", tmp_path / "b.png", code=2)
    assert "--extend takes one margin for all sides" in said.err
    with pytest.raises(UsageError, match="margins takes one margin"):
        onar.extend(photo_of(10, 10), margins)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_python_extends_pictures_and_arrays_for_an_inpainter_as_the_command_does(tmp_path: Path, mode: str) -> None:
    photo = photo_of(30, 44, mode)
    photo.save(tmp_path / "a.png")
    run(tmp_path / "a.png", "--extend", "12%", "--output", tmp_path / "b.png")
    expected = np.asarray(Image.open(tmp_path / "b.png"))
    inpainter = Inpainter.load("pyramid")
    for given in (photo, np.asarray(photo)):
        larger, mask = onar.extend(given, "12%")
        assert type(larger) is type(given) or isinstance(larger, Image.Image)
        result = inpainter(larger, mask)
        assert np.array_equal(np.asarray(result), expected)
