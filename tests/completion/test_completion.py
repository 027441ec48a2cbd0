import os
import shutil
import socket
import subprocess
import sys
import traceback
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from onar import Inpainter, PConvUNet
from onar.checkpoint import save_weights
from onar.completion import in_process
from onar.completion.config import CompletionConfig
from onar.completion.in_process import complete_files
from onar.completion.plan import Job, Plan, plan_jobs
from onar.errors import OnarError
from onar.imaging.formats.metadata import Metadata
from onar.imaging.formats.png import write_png
from onar.imaging.images import PhotoBytes
from tests.conftest import PHOTOS
from tests.imaging.test_photo_file import camera_exif, noise, read_by_opencv
from tests.support.pictures import png_header
from tests.support.runs import Said, run_onar

LIMIT = Image.MAX_IMAGE_PIXELS


def run(*arguments: object, weights: str = "pyramid", code: int = 0) -> Said:
    """`onar complete` in this process, to that exit code."""
    said = run_onar("complete", *arguments, "--weights", weights, "--device", "cpu", code=code)
    assert "Traceback" not in said.err
    assert Image.MAX_IMAGE_PIXELS == LIMIT
    return said


def photo_of(height: int, width: int, mode: str = "RGB") -> Image.Image:
    return Image.open(PHOTOS / "skimage_coffee.jpg").convert(mode).resize((width, height))


def hole_of(height: int, width: int) -> np.ndarray:
    hole = np.zeros((height, width), bool)
    hole[height // 4 : height // 2 + 1, width // 4 : width // 2 + 1] = True
    return hole


def save_mask(path: Path, hole: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(hole.astype(np.uint8) * 255).save(path)
    return path


def a_photo_and_its_mask(folder: Path, name: str = "a.png", height: int = 24, width: int = 36) -> tuple[Path, Path]:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    photo_of(height, width).save(folder / name)
    return folder / name, save_mask(folder / "mask" / "m.png", hole_of(height, width))


# ---------------------------------------------------------------- every kind of photo
@pytest.mark.parametrize("size", [(37, 513), (20, 3000), (3000, 20), (1, 1)])
@pytest.mark.parametrize("extension", [".png", ".tif", ".bmp", ".webp"])
def test_known_pixels_are_kept_bit_for_bit(tmp_path: Path, size: tuple[int, int], extension: str) -> None:
    photo = photo_of(*size)
    photo.save(tmp_path / "a.png")
    hole = hole_of(*size)
    output = tmp_path / "out" / f"b{extension}"
    run(tmp_path / "a.png", "--mask", save_mask(tmp_path / "m.png", hole), "--output", output)
    result = np.asarray(Image.open(output))
    assert result.shape == (*size, 3)
    assert np.array_equal(result[~hole], np.asarray(photo)[~hole])
    if size != (1, 1):
        assert not np.array_equal(result[hole], np.asarray(photo)[hole])


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "1"])
def test_grey_and_alpha_stay(tmp_path: Path, mode: str) -> None:
    photo = photo_of(24, 36, "L" if mode in ("L", "LA", "1") else "RGB").convert(mode)
    if mode.endswith("A"):
        photo.putalpha(Image.fromarray(noise(24, 36)))
    photo.save(tmp_path / "a.png")
    hole = hole_of(24, 36)
    arguments = tmp_path / "a.png", "--mask", save_mask(tmp_path / "m.png", hole), "--output", tmp_path / "b.png"
    run(*arguments)
    result = Image.open(tmp_path / "b.png")
    expected = photo.convert("L") if mode == "1" else photo
    assert result.mode == expected.mode
    assert np.array_equal(np.asarray(result)[~hole], np.asarray(expected)[~hole])
    if mode.endswith("A"):
        assert np.array_equal(result.getchannel("A"), photo.getchannel("A"))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("extension", [".png", ".tif"])
def test_known_pixels_keep_their_16_bits(tmp_path: Path, channels: int, extension: str) -> None:
    pixels = noise(24, 36, channels, bits=16)
    cv2.imwrite(str(tmp_path / f"a{extension}"), pixels[..., ::-1])
    hole = hole_of(24, 36)
    mask, output = save_mask(tmp_path / "m.png", hole), tmp_path / f"b{extension}"
    run(tmp_path / f"a{extension}", "--mask", mask, "--output", output)
    result = read_by_opencv(output, channels)
    assert result.dtype == np.uint16
    assert np.array_equal(result[~hole], pixels[~hole])
    assert (result[hole] % 257 != 0).any()  # and so does the fill


def test_cmyk_is_completed_as_rgb(tmp_path: Path) -> None:
    photo_of(24, 36, "CMYK").save(tmp_path / "a.jpg")
    mask = save_mask(tmp_path / "m.png", hole_of(24, 36))
    assert "a.jpg: CMYK becomes RGB" in run(tmp_path / "a.jpg", "--mask", mask, "--output", tmp_path / "b.jpg").err
    assert Image.open(tmp_path / "b.jpg").mode == "RGB"


def test_a_transparent_gif_becomes_a_png(tmp_path: Path) -> None:
    frames = [Image.fromarray(noise(24, 36) % 4, "L").convert("P"), Image.new("P", (36, 24), 1)]
    for frame in frames:
        frame.putpalette([0, 0, 0, 250, 10, 20, 30, 240, 40, 0, 70, 200])
    (tmp_path / "photos").mkdir()
    frames[0].save(tmp_path / "photos" / "a.gif", save_all=True, append_images=frames[1:], transparency=0)
    expected = Image.open(tmp_path / "photos" / "a.gif").convert("RGBA")
    hole = hole_of(24, 36)
    said = run(tmp_path / "photos", "--mask", save_mask(tmp_path / "m.png", hole), "--output", tmp_path / "out")
    assert "only the first is completed" in said.err
    result = Image.open(tmp_path / "out" / "a.png")
    assert np.array_equal(np.asarray(result)[~hole], np.asarray(expected)[~hole])


def test_a_turned_photo_is_completed_upright(tmp_path: Path) -> None:
    photo_of(24, 36).save(tmp_path / "a.jpg", exif=camera_exif(6))
    upright = save_mask(tmp_path / "m.png", hole_of(36, 24))
    for name, stored in (("b.png", ((24, 36), 1)), ("b.jpg", ((36, 24), 6))):  # a JPEG keeps its blocks
        run(tmp_path / "a.jpg", "--mask", upright, "--output", tmp_path / name)
        with Image.open(tmp_path / name) as result:
            assert (result.size, result.getexif()[ExifTags.Base.Orientation]) == stored
    lying = save_mask(tmp_path / "n.png", hole_of(24, 36))
    said = run(tmp_path / "a.jpg", "--mask", lying, "--output", tmp_path / "c.jpg", code=1)
    assert "is 36 x 24 pixels, the photo 24 x 36" in said.err
    assert "EXIF orientation: turn the mask, too" in said.err


def a_cut_out(folder: Path, mode: str = "RGBA") -> tuple[Path, np.ndarray, np.ndarray]:
    """A photo of which only a disc is opaque, over black; with its alpha, and a hole across the edge of the disc."""
    photo = photo_of(96, 96, mode.removesuffix("A"))
    rows, columns = np.mgrid[:96, :96]
    alpha = ((rows - 48) ** 2 + (columns - 48) ** 2 < 35**2).astype(np.uint8) * 255
    seen = Image.composite(photo, Image.new(photo.mode, photo.size), Image.fromarray(alpha))
    seen.putalpha(Image.fromarray(alpha))
    seen.save(folder / "a.png")
    return folder / "a.png", alpha, (columns > 70) & (np.abs(rows - 48) < 12)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_colours_of_transparent_pixels_are_neither_seen_nor_changed(tmp_path: Path, mode: str) -> None:
    path, alpha, hole = a_cut_out(tmp_path, mode)
    before = np.asarray(Image.open(path))
    mask = save_mask(tmp_path / "m.png", hole)
    results = []
    for colour in (0, 255):
        painted = before.copy()
        painted[alpha == 0, :-1] = colour
        Image.fromarray(painted).save(path)
        run(path, "--mask", mask, "--output", tmp_path / f"{colour}.png")
        results.append(np.asarray(Image.open(tmp_path / f"{colour}.png")))
        changed = hole & (alpha > 0)
        assert np.array_equal(results[-1][~changed], painted[~changed])
        picture = Inpainter.load("pyramid")(Image.fromarray(painted), Image.open(mask))
        assert np.array_equal(np.asarray(picture), results[-1])
    assert np.array_equal(results[0][alpha > 0], results[1][alpha > 0])
    truth = np.atleast_3d(np.asarray(photo_of(96, 96, mode.removesuffix("A"))))
    error = np.abs(results[0][changed][:, :-1].astype(float) - truth[changed]).mean()
    assert error < np.abs(truth[changed].astype(float) - truth[(alpha > 0) & ~hole].mean(axis=0)).mean()


@pytest.mark.parametrize("extension", [".png", ".tif", ".webp"])
def test_the_alpha_of_a_photo_may_be_its_mask(tmp_path: Path, extension: str) -> None:
    photo, hole = photo_of(24, 36), hole_of(24, 36)
    erased = np.dstack([np.asarray(photo), np.where(hole, 0, 255).astype(np.uint8)])
    erased[hole, :3] = 0
    erased[20, 30, 3] = 200  # the soft edge of an eraser
    save = {"lossless": True, "exact": True} if extension == ".webp" else {}
    (tmp_path / "photos").mkdir()
    Image.fromarray(erased).save(tmp_path / "photos" / f"a{extension}", **save)
    run(tmp_path / "photos", "--mask", "alpha", "--output", tmp_path / "out")
    with Image.open(tmp_path / "out" / f"a{extension}") as result:
        assert result.mode == "RGB"
        filled = np.asarray(result)
    assert np.array_equal(filled[~hole], erased[~hole, :3])
    assert filled[hole].min() > 0
    picture = Inpainter.load("pyramid")(Image.fromarray(erased), "alpha")
    assert np.array_equal(np.asarray(picture), np.dstack([filled, np.full((24, 36), 255, np.uint8)]))
    job = Job(tmp_path / "photos" / f"a{extension}", "alpha", tmp_path / f"b{extension}")
    (outcome,) = complete_files([job], Inpainter.load("pyramid"), CompletionConfig())
    assert outcome.error is None
    assert np.array_equal(np.asarray(Image.open(job.output)), filled)


def test_a_photo_without_transparency_is_not_its_own_mask(tmp_path: Path) -> None:
    photo_of(24, 36).save(tmp_path / "a.png")
    (line,) = run(tmp_path / "a.png", "--mask", "alpha", "--output", tmp_path / "b.png", code=1).err.splitlines()
    assert "a.png: nothing is transparent in the photo, so --mask alpha finds no hole" in line
    with pytest.raises(OnarError, match="is for a photo with transparency"):
        Inpainter.load("pyramid")(photo_of(24, 36), "alpha")
    with pytest.raises(OnarError, match="not 'alhpa'"):
        Inpainter.load("pyramid")(photo_of(24, 36, "RGBA"), "alhpa")


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("extension", [".png", ".tif"])
def test_the_fill_has_the_levels_that_the_photo_uses(tmp_path: Path, extension: str, bits: int) -> None:
    hole = hole_of(240, 360)
    small = np.asarray(photo_of(240, 360, "L"), np.float32)
    pixels = (cv2.GaussianBlur(small, None, 2) / 255 * (2**bits - 1)).astype(np.uint16)
    scribbled = np.where(hole, 65535, pixels).astype(np.uint16)  # what is in a hole says nothing about the photo
    cv2.imwrite(str(tmp_path / f"a{extension}"), scribbled)
    mask, output = save_mask(tmp_path / "m.png", hole), tmp_path / f"b{extension}"
    run(tmp_path / f"a{extension}", "--mask", mask, "--output", output)
    result = read_by_opencv(output, 1)[..., 0]
    assert np.array_equal(result[~hole], pixels[~hole])
    assert result[hole].max() < 2**bits
    assert len(np.unique(result[hole])) > min(200, 0.5 * len(np.unique(pixels[hole])))
    assert np.abs(result[hole] - pixels[hole].astype(float)).mean() < 0.2 * 2**bits


# ---------------------------------------------------------------- options
def test_the_mask_is_inverted_and_widened(tmp_path: Path) -> None:
    photo, _ = a_photo_and_its_mask(tmp_path)
    hole = np.zeros((24, 36), bool)
    hole[12, 18] = True
    mask = save_mask(tmp_path / "m.png", ~hole)
    said = run(photo, "--mask", mask, "--output", tmp_path / "b.png", "--invert_mask", "--dilate", 3, "--overlay")
    assert said.err == ""
    overlay, before = np.asarray(Image.open(tmp_path / "b_overlay.png")), np.asarray(Image.open(photo))
    tinted = (overlay != before).any(axis=2)
    rows, columns = np.nonzero(tinted)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (9, 15, 15, 21)
    assert tinted.sum() == 29  # a disc, not a square
    assert np.array_equal(np.asarray(Image.open(tmp_path / "b.png"))[~tinted], before[~tinted])


@pytest.mark.parametrize("inverted", [False, True])
def test_a_mask_of_much_hole_is_doubted(tmp_path: Path, inverted: bool) -> None:
    photo, _ = a_photo_and_its_mask(tmp_path)
    hole = ~hole_of(24, 36)
    mask = save_mask(tmp_path / "m.png", ~hole if inverted else hole)
    said = run(photo, "--mask", mask, "--output", tmp_path / "b.png", *(["--invert_mask"] if inverted else []))
    assert f"{hole.mean():.0%} of the photo is hole" in said.err
    assert ("leave --invert_mask out" if inverted else "use --invert_mask") in said.err


def test_a_mask_that_looks_like_a_photo_is_doubted(tmp_path: Path) -> None:
    photo, mask = a_photo_and_its_mask(tmp_path)
    photo_of(24, 36).save(tmp_path / "other.jpg")
    said = run(photo, "--mask", tmp_path / "other.jpg", "--output", tmp_path / "b.png")
    assert "the mask is mostly neither black nor white: is it a mask, and not a photo?" in said.err
    assert run(photo, "--mask", mask, "--output", tmp_path / "c.png").err == ""


@pytest.mark.parametrize("inverted", [False, True])
def test_a_mask_without_a_hole_is_explained(tmp_path: Path, inverted: bool) -> None:
    photo, _ = a_photo_and_its_mask(tmp_path)
    values = hole_of(24, 36).astype(np.uint8)
    Image.fromarray(255 - values if inverted else values).save(tmp_path / "m.png")
    flags = ["--invert_mask"] if inverted else []
    said = run(photo, "--mask", tmp_path / "m.png", "--output", tmp_path / "b.png", *flags)
    expected = "darkest value is 254, and values below 128" if inverted else "brightest value is 1, and values of 128"
    assert f"the mask has no hole: its {expected}" in said.err


@pytest.mark.parametrize("is_mask", [False, True])
def test_a_photo_or_a_mask_may_be_piped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_mask: bool) -> None:
    photo, mask = a_photo_and_its_mask(tmp_path)
    names = [photo, "-"] if is_mask else ["-", mask]
    for output in ("b.png", "b.jpg"):
        with (mask if is_mask else photo).open() as content:
            monkeypatch.setattr(sys, "stdin", content)
            assert run(names[0], "--mask", names[1], "--output", tmp_path / output).err == ""
    changed = (np.asarray(Image.open(tmp_path / "b.png")) != np.asarray(Image.open(photo))).any(axis=2)
    assert changed.any()
    assert not changed[~hole_of(24, 36)].any()


def test_a_piped_photo_without_a_hole_comes_back_as_it_is(tmp_path: Path) -> None:
    content = (PHOTOS / "skimage_coffee.jpg").read_bytes()
    with Image.open(PHOTOS / "skimage_coffee.jpg") as photo:
        mask = save_mask(tmp_path / "m.png", np.zeros((photo.height, photo.width), bool))
    job = Job(PhotoBytes("standard input", content), mask, tmp_path / "b.jpg")
    (outcome,) = complete_files([job], Inpainter.load("pyramid", device="cpu"))
    assert outcome.error is None
    assert job.output.read_bytes() == content


@pytest.mark.parametrize("as_mask", [False, True])
def test_a_socket_is_no_pipe_to_read_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_mask: bool) -> None:
    _, mask = a_photo_and_its_mask(tmp_path)
    monkeypatch.chdir(tmp_path)  # the address of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        with pytest.raises(OnarError, match="cannot read s: "):
            plan_jobs(["a.png" if as_mask else "s"], Path("s") if as_mask else mask, Path("b.png"))


@pytest.mark.parametrize("output", ["b.jpg", "b.png"])
def test_without_a_hole_the_photo_is_copied(tmp_path: Path, output: str) -> None:
    photo_of(24, 36).save(tmp_path / "a.jpg", quality=50)
    mask = save_mask(tmp_path / "m.png", np.zeros((24, 36), bool))
    said = run(tmp_path / "a.jpg", "--mask", mask, "--output", tmp_path / output, "--dilate", 5)
    assert "the mask has no hole: its brightest value is 0, and values of 128 and above are holes" in said.err
    if output == "b.jpg":
        assert (tmp_path / output).read_bytes() == (tmp_path / "a.jpg").read_bytes()
    assert np.array_equal(Image.open(tmp_path / output), Image.open(tmp_path / "a.jpg"))


def test_the_comparison_shows_holes_and_result(tmp_path: Path) -> None:
    photo, mask = a_photo_and_its_mask(tmp_path, height=30, width=2000)
    run(photo, "--mask", mask, "--output", tmp_path / "b.png", "--compare")
    sheet = Image.open(tmp_path / "b_compare.png")
    assert sheet.size == (2 * 1024 + 3 * 4, 15 + 2 * 4)
    assert np.asarray(sheet)[9, 300:500].min() > 240  # white, give or take the reduction


@pytest.mark.parametrize(
    "wrong", ["--feather -1", "--dilate -1", "--workers -1", "--max_megapixels 0", "--strategy best", "--device tpu"]
)
def test_a_wrong_value_is_wrong_use(tmp_path: Path, wrong: str) -> None:
    photo, mask = a_photo_and_its_mask(tmp_path)
    said = run(photo, "--mask", mask, "--output", tmp_path / "b.png", *wrong.split(), code=2)
    assert wrong.split()[0].replace("_", "-") in said.err.replace("_", "-")


# ---------------------------------------------------------------- which files
def test_a_folder_is_completed_with_a_folder_of_masks(tmp_path: Path) -> None:
    for name in ("a.jpg", "sub/a.png", "sub/deeper/c.tif"):
        a_photo_and_its_mask(tmp_path / "photos", name)
    shutil.rmtree(tmp_path / "photos" / "mask")
    shutil.rmtree(tmp_path / "photos" / "sub" / "mask", ignore_errors=True)
    holes = [hole_of(24, 36), hole_of(24, 36)[::-1], hole_of(24, 36)[:, ::-1]]
    for name, hole in zip(("a.png", "sub/a.bmp", "c.png"), holes, strict=True):
        save_mask(tmp_path / "masks" / name, hole)
    said = run(tmp_path / "photos", "--mask", tmp_path / "masks", "--output", tmp_path / "out", "--overlay")
    assert "the pyramid fill" in said.out
    assert "completed 3 photos" in said.out
    for name, hole in zip(("a.jpg", "sub/a.png", "sub/deeper/c.tif"), holes, strict=True):
        before, after = (np.asarray(Image.open(tmp_path / folder / name)) for folder in ("photos", "out"))
        if not name.endswith("jpg"):
            assert np.array_equal(before[~hole], after[~hole])
            assert not np.array_equal(before[hole], after[hole])
        assert (tmp_path / "out" / name).with_name(Path(name).stem + "_overlay.png").is_file()


def test_results_and_masks_among_the_photos_are_not_completed(tmp_path: Path) -> None:
    a_photo_and_its_mask(tmp_path)
    mask = save_mask(tmp_path / "mask" / "a.png", hole_of(24, 36))
    (mask.parent / "m.png").unlink()
    for photos in (tmp_path, f"{tmp_path}/**/*.png"):
        for masks in (mask, mask.parent):
            run(photos, "--mask", masks, "--output", tmp_path / "out", "--overwrite")
            assert [path.name for path in (tmp_path / "out").rglob("*.*")] == ["a.png"]


def test_photos_may_lie_under_the_folder_of_results(tmp_path: Path) -> None:
    _, mask = a_photo_and_its_mask(tmp_path / "photos", "a.png")
    shutil.move(mask, tmp_path / "m.png")
    run(tmp_path / "photos", "--mask", tmp_path / "m.png", "--output", tmp_path)
    assert (tmp_path / "a.png").is_file()


def test_a_pattern_keeps_folders(tmp_path: Path) -> None:
    for name in ("x/a.jpg", "y/a.jpg", "y/b.png"):
        _, mask = a_photo_and_its_mask(tmp_path / "photos", name)
    run(f"{tmp_path}/photos/**/*.jpg", "--mask", mask, "--output", tmp_path / "out")
    found = sorted((tmp_path / "out").rglob("*.*"))
    assert found == [tmp_path / "out" / "x" / "a.jpg", tmp_path / "out" / "y" / "a.jpg"]


def test_a_pattern_without_a_match_lists_the_folder(tmp_path: Path) -> None:
    _, mask = a_photo_and_its_mask(tmp_path / "photos")
    said = run(f"{tmp_path}/photos/*.jpeg", "--mask", mask, "--output", tmp_path / "out", code=1)
    assert "no photo matches the pattern" in said.err
    assert "holds a.png, mask" in said.err


def test_brackets_in_a_name_are_no_pattern(tmp_path: Path) -> None:
    photo, mask = a_photo_and_its_mask(tmp_path, "a [1].png")
    run(photo, "--mask", mask, "--output", tmp_path / "out")
    assert (tmp_path / "out" / "a [1].png").is_file()


def test_names_that_do_not_match_are_shown_from_both_sides(tmp_path: Path) -> None:
    for name in ("p1.png", "p2.png", "p3.png", "p4.png"):
        a_photo_and_its_mask(tmp_path / "photos", name)
    shutil.rmtree(tmp_path / "photos" / "mask")
    save_mask(tmp_path / "masks" / "m1.png", hole_of(24, 36))
    said = run(tmp_path / "photos", "--mask", tmp_path / "masks", "--output", tmp_path / "out", code=1)
    assert "the photos are p1.png, p2.png, p3.png and 1 more; the masks in" in said.err
    assert said.err.strip().endswith("are m1.png")
    assert not (tmp_path / "out").exists()


def test_photos_without_a_mask_are_reported_and_the_others_completed(tmp_path: Path) -> None:
    for name in ("p1.png", "p2.png"):
        a_photo_and_its_mask(tmp_path / "photos", name)
    shutil.rmtree(tmp_path / "photos" / "mask")
    save_mask(tmp_path / "masks" / "p2.png", hole_of(24, 36))
    said = run(tmp_path / "photos", "--mask", tmp_path / "masks", "--output", tmp_path / "out", code=1)
    assert "1 of 2 photos failed; no mask has the name of" in said.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["p2.png"]


def test_two_masks_of_one_name_are_refused(tmp_path: Path) -> None:
    photo, _ = a_photo_and_its_mask(tmp_path)
    for name in ("a.png", "a.bmp"):
        save_mask(tmp_path / "masks" / name, hole_of(24, 36))
    assert "fits several masks" in run(photo, "--mask", tmp_path / "masks", "--output", tmp_path / "b.png", code=1).err


# ---------------------------------------------------------------- nothing is lost
def several(folder: Path, name: str) -> Path:
    frames = [photo_of(24, 36).rotate(90 * number) for number in range(3)]
    options = {".webp": {"lossless": True}, ".jpg": {"format": "MPO"}}.get(Path(name).suffix, {})
    frames[0].save(folder / name, save_all=True, append_images=frames[1:], **options)
    return folder / name


@pytest.mark.parametrize("name", ["a.tif", "a.webp", "a.png", "a.jpg"])
@pytest.mark.parametrize("where", ["itself", "link", "hard link", "copy"])
def test_a_file_of_several_pictures_is_never_replaced_by_one(tmp_path: Path, name: str, where: str) -> None:
    photo, mask = several(tmp_path, name), save_mask(tmp_path / "m.png", hole_of(24, 36))
    output = photo
    if where != "itself":
        output = tmp_path / f"b{photo.suffix}"
        {"link": os.symlink, "hard link": os.link, "copy": shutil.copy}[where](photo, output)
    before = photo.read_bytes()
    said = run(photo, "--mask", mask, "--output", output, "--overwrite", code=1)
    assert "would be replaced by less than it holds" in said.err
    assert "choose another --output" in said.err
    assert photo.read_bytes() == output.read_bytes() == before
    said = run(photo, "--mask", mask, "--output", tmp_path / "new.png")
    assert "only the first is completed" in said.err or "the second picture in the file" in said.err


def test_a_photo_is_not_replaced_by_itself_with_less_in_it(tmp_path: Path) -> None:
    photo_of(24, 36, "CMYK").save(tmp_path / "a.jpg")
    before = (tmp_path / "a.jpg").read_bytes()
    mask = save_mask(tmp_path / "m.png", hole_of(24, 36))
    said = run(tmp_path / "a.jpg", "--mask", mask, "--output", tmp_path / "a.jpg", "--overwrite", code=1)
    assert "replaced by less than it holds (CMYK becomes RGB)" in said.err
    assert (tmp_path / "a.jpg").read_bytes() == before


def test_a_photo_whose_file_lacks_its_end_may_be_replaced_by_its_result(tmp_path: Path) -> None:
    photo_of(24, 36).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:-2])
    mask = save_mask(tmp_path / "m.png", hole_of(24, 36))
    said = run(tmp_path / "a.jpg", "--mask", mask, "--output", tmp_path / "a.jpg", "--overwrite")
    assert "the end marker of its file is missing, but no pixels are" in said.err
    assert (tmp_path / "a.jpg").read_bytes().endswith(b"\xff\xd9")


class _NeverAsked(Inpainter):
    def __init__(self) -> None: ...

    def __call__(self, *_arguments: object, **_options: object) -> np.ndarray:
        raise AssertionError("holes were filled before the format was looked at")


@pytest.mark.parametrize(("ending", "width"), [(".jpg", 65_501), (".webp", 16_384)])
def test_a_photo_too_large_for_the_format_is_refused_before_filling(tmp_path: Path, ending: str, width: int) -> None:
    Image.new("RGB", (width, 2)).save(tmp_path / "a.png")
    hole = np.zeros((2, width), bool)
    hole[:, 10:20] = True
    job = Job(tmp_path / "a.png", save_mask(tmp_path / "m.png", hole), tmp_path / f"b{ending}")
    (outcome,) = complete_files([job], _NeverAsked())
    assert f"holds up to {width - 1:,} pixels a side, and the photo has {width:,} x 2" in outcome.error
    assert not job.output.exists()


def test_a_photo_without_a_hole_replaces_nothing_by_less_either(tmp_path: Path) -> None:
    pages, mask = several(tmp_path, "pages.tif"), save_mask(tmp_path / "m.png", np.zeros((24, 36), bool))
    photo_of(24, 36).save(tmp_path / "one.tif")
    photo_of(24, 36, "RGBA").save(tmp_path / "cutout.jpg", "PNG")  # as some programs name what they save
    for photo, target in (("one.tif", pages), ("cutout.jpg", tmp_path / "cutout.jpg")):
        before = target.read_bytes()
        said = run(tmp_path / photo, "--mask", mask, "--output", target, "--overwrite", code=1)
        assert "would be replaced by less than it holds" in said.err
        assert target.read_bytes() == before
    shutil.copy(pages, tmp_path / "others.tif")
    run(pages, "--mask", mask, "--output", tmp_path / "others.tif", "--overwrite")


def test_a_file_of_several_pictures_is_not_replaced_by_an_overlay_either(tmp_path: Path) -> None:
    photo, mask = a_photo_and_its_mask(tmp_path)
    several(tmp_path, "pages.png").replace(tmp_path / "new_overlay.png")
    before = (tmp_path / "new_overlay.png").read_bytes()
    said = run(photo, "--mask", mask, "--output", tmp_path / "new.png", "--overlay", "--overwrite", code=1)
    assert "new_overlay.png would be replaced by less than it holds (it holds" in said.err
    assert (tmp_path / "new_overlay.png").read_bytes() == before
    assert not (tmp_path / "new.png").exists()


def test_a_photo_completed_over_itself_keeps_its_mode_and_its_link(tmp_path: Path) -> None:
    photo, mask = a_photo_and_its_mask(tmp_path)
    photo.chmod(0o600)
    (tmp_path / "link.png").symlink_to(photo)
    before = photo.read_bytes()
    run(tmp_path / "link.png", "--mask", mask, "--output", tmp_path / "link.png", "--overwrite")
    assert (tmp_path / "link.png").is_symlink()
    assert photo.read_bytes() != before
    assert photo.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("source", "target"), [("a.jpg", "b.jpeg"), ("a.tif", "b.tiff"), ("a.JPG", "b.jpg"), ("m.jpg", "b.jpg")]
)
def test_an_unchanged_photo_is_copied_byte_for_byte(tmp_path: Path, source: str, target: str) -> None:
    if source == "m.jpg":
        several(tmp_path, source)
    else:
        photo_of(24, 36).save(tmp_path / source)
    mask = save_mask(tmp_path / "m.png", np.zeros((24, 36), bool))
    (line,) = run(tmp_path / source, "--mask", mask, "--output", tmp_path / target).err.splitlines()
    assert "the mask has no hole" in line
    assert (tmp_path / target).read_bytes() == (tmp_path / source).read_bytes()


def test_a_photo_that_vanishes_is_reported_by_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo, _ = a_photo_and_its_mask(tmp_path)
    mask = save_mask(tmp_path / "m.png", np.zeros((24, 36), bool))
    read = in_process.read_mask

    def read_while_it_vanishes(*arguments: object) -> np.ndarray:
        photo.unlink(missing_ok=True)
        return read(*arguments)

    monkeypatch.setattr(in_process, "read_mask", read_while_it_vanishes)
    (outcome,) = complete_files([Job(photo, mask, tmp_path / "b.png")], Inpainter.load("pyramid"), CompletionConfig())
    assert outcome.error == f"{photo}: no such file or directory"
    assert not (tmp_path / "b.png").exists()


def test_an_existing_file_is_replaced_only_on_demand(tmp_path: Path) -> None:
    photo, mask = a_photo_and_its_mask(tmp_path)
    output = tmp_path / "b.png"
    output.write_bytes(b"precious")
    (line,) = run(photo, "--mask", mask, "--output", output, code=2).err.splitlines()
    assert "b.png exists already" in line
    assert output.read_bytes() == b"precious"
    run(photo, "--mask", mask, "--output", output, "--overwrite")
    assert Image.open(output).size == (36, 24)


def test_the_photo_itself_is_replaced_only_on_demand(tmp_path: Path) -> None:
    photo, mask = a_photo_and_its_mask(tmp_path / "photos")
    before = photo.read_bytes()
    for output in (photo, photo.parent, photo.parent.parent / "photos" / ".." / "photos"):
        assert "is the photo itself" in run(photo, "--mask", mask, "--output", output, code=2).err
        assert photo.read_bytes() == before
    run(photo, "--mask", mask, "--output", photo, "--overwrite")
    assert photo.read_bytes() != before


def test_of_existing_files_the_photo_is_named(tmp_path: Path) -> None:
    photo, mask = a_photo_and_its_mask(tmp_path, "b.png")
    photo_of(24, 36).save(tmp_path / "a.gif")
    photo_of(24, 36).save(tmp_path / "a.png")  # where the result of a.gif would be
    said = run(tmp_path / "a.gif", photo, "--mask", mask, "--output", tmp_path, code=2)
    assert f"onar: --output {photo} is the photo itself" in said.err


def test_a_mask_is_never_replaced(tmp_path: Path) -> None:
    photo, _ = a_photo_and_its_mask(tmp_path)
    mask = save_mask(tmp_path / "masks" / "a.png", hole_of(24, 36))
    said = run(photo, "--mask", mask, "--output", mask.parent, "--overwrite", code=2)
    assert "is an input: choose another" in said.err


def test_two_photos_never_become_one_file(tmp_path: Path) -> None:
    _, mask = a_photo_and_its_mask(tmp_path / "photos", "a.png")
    photo_of(24, 36).save(tmp_path / "photos" / "a.gif")
    said = run(f"{tmp_path}/photos/a.*", "--mask", mask, "--output", tmp_path / "out", "--overwrite", code=2)
    assert "would be written twice" in said.err


@pytest.mark.parametrize(
    ("output", "reason"),
    [*((f"b.{kind}", "must end in one of") for kind in ("gif", "heic", "dng")), ("plain", "must end in")],
)
def test_an_output_that_cannot_be_written_is_refused_before_work(tmp_path: Path, output: str, reason: str) -> None:
    photo, mask = a_photo_and_its_mask(tmp_path)
    (tmp_path / "plain").write_text("")
    assert reason in run(photo, "--mask", mask, "--output", tmp_path / output, code=2).err


def test_several_photos_need_a_folder(tmp_path: Path) -> None:
    photo, mask = a_photo_and_its_mask(tmp_path)
    other, _ = a_photo_and_its_mask(tmp_path, "b.png")
    said = run(photo, other, "--mask", mask, "--output", tmp_path / "c.png", code=2)
    assert "must be a folder: there are 2 photos" in said.err


@pytest.mark.parametrize("missing", ["photo", "mask"])
def test_a_missing_file_is_one_line(tmp_path: Path, missing: str) -> None:
    photo, mask = a_photo_and_its_mask(tmp_path)
    (photo if missing == "photo" else mask).unlink()
    (line,) = run(photo, "--mask", mask, "--output", tmp_path / "b.png", code=1).err.splitlines()
    assert "no such file or folder" in line


# ---------------------------------------------------------------- some files fail
def bad_files() -> dict[str, bytes]:
    whole = (PHOTOS / "skimage_coffee.jpg").read_bytes()
    return {
        "bomb.png": png_header(50_000, 50_000),
        "empty.png": b"",
        "text.jpg": b"no picture",
        "truncated.jpg": whole[: len(whole) // 2],
    }


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_files_do_not_stop_the_others(tmp_path: Path, workers: int) -> None:
    for name in ("a.png", "m.png", "z.png"):
        _, mask = a_photo_and_its_mask(tmp_path / "photos", name)
    shutil.move(mask, tmp_path / "mask.png")
    shutil.rmtree(tmp_path / "photos" / "mask")
    photo_of(9, 9).save(tmp_path / "photos" / "small.png")
    for name, content in bad_files().items():
        (tmp_path / "photos" / name).write_bytes(content)
    arguments = "--mask", tmp_path / "mask.png", "--output", tmp_path / "out", "--workers", workers
    said = run(tmp_path / "photos", *arguments, code=1)
    assert "completed 3 photos" in said.out
    assert "5 of 8 photos failed" in said.err.splitlines()[-1]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "m.png", "z.png"]
    errors = {line.split("photos/")[1].split(":")[0]: line for line in said.err.splitlines()[:-1]}
    assert set(errors) == {*bad_files(), "small.png"}
    assert "larger than 200 megapixels (50000 x 50000): --max_megapixels" in errors["bomb.png"]
    assert "the file is empty" in errors["empty.png"]
    assert "truncated" in errors["truncated.jpg"]
    assert "is 36 x 24 pixels, the photo 9 x 9" in errors["small.png"]


def test_one_bad_photo_is_one_line(tmp_path: Path) -> None:
    photo, mask = a_photo_and_its_mask(tmp_path)
    said = run(photo, "--mask", mask, "--output", tmp_path / "b.png", "--max_megapixels", "0.0001", code=1)
    assert said.err.count("\n") == 1
    assert "larger than 0.0001 megapixels (36 x 24)" in said.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_one_line(tmp_path: Path) -> None:
    photo, mask = a_photo_and_its_mask(tmp_path)
    (tmp_path / "out").mkdir(mode=0o500)
    assert "cannot write" in run(photo, "--mask", mask, "--output", tmp_path / "out" / "b.png", code=1).err


def test_an_unwritable_output_is_one_line(tmp_path: Path) -> None:
    photo, mask = a_photo_and_its_mask(tmp_path)
    (tmp_path / "file").write_text("")
    said = run(photo, "--mask", mask, "--output", tmp_path / "file" / "b.png", code=1)
    assert "cannot write" in said.err
    assert said.err.count("\n") == 1


# ---------------------------------------------------------------- threads, Python, processes
def test_threads_change_nothing(tmp_path: Path) -> None:
    jobs = {}
    for workers in (0, 1, 3):
        jobs[workers] = []
        for number in range(7):
            photo, mask = a_photo_and_its_mask(tmp_path, f"{number}.png", 20 + number % 2, 36)
            mask = save_mask(tmp_path / f"{number % 2}" / "mask.png", hole_of(20 + number % 2, 36))
            jobs[workers].append(Job(photo, mask, tmp_path / f"out{workers}" / photo.name))
    inpainter = Inpainter.load("pyramid", device="cpu")
    for workers, some in jobs.items():
        outcomes = list(complete_files(some, inpainter, CompletionConfig(workers=workers)))
        assert [outcome.job for outcome in outcomes] == some
        assert not any(outcome.error for outcome in outcomes)
    for inline, one, three in zip(*jobs.values(), strict=True):
        assert inline.output.read_bytes() == one.output.read_bytes() == three.output.read_bytes()


def test_a_failed_photo_is_not_held_in_memory(tmp_path: Path) -> None:
    photo, _ = a_photo_and_its_mask(tmp_path)
    mask = save_mask(tmp_path / "m.png", hole_of(9, 9))
    for workers in (0, 2):
        jobs = [Job(photo, mask, tmp_path / "out.png")]
        (outcome,) = complete_files(jobs, Inpainter.load("pyramid", device="cpu"), CompletionConfig(workers=workers))
        assert "is 9 x 9 pixels, the photo 36 x 24" in str(outcome.cause)
        frames = [frame for frame, _ in traceback.walk_tb(outcome.cause.__traceback__)]
        assert frames[-1].f_code.co_name == "_mask_photo"
        assert not any("work" in frame.f_locals or "photo" in frame.f_locals for frame in frames[1:])


def test_few_photos_are_in_flight(tmp_path: Path) -> None:
    photo, mask = a_photo_and_its_mask(tmp_path)
    taken = 0

    def jobs_one_by_one() -> object:
        nonlocal taken
        for number in range(20):
            taken += 1
            yield Job(photo, mask, tmp_path / f"{number}_out.png")

    outcomes = complete_files(jobs_one_by_one(), Inpainter.load("pyramid", device="cpu"), CompletionConfig(workers=2))
    next(outcomes)
    assert taken <= 6
    outcomes.close()


def test_plans_are_data() -> None:
    folder = PHOTOS
    with pytest.raises(OnarError, match="no such file or folder"):
        plan_jobs([folder / "skimage_coffee.jpg"], folder / "none.png", Path("out"))
    photo = folder / "skimage_coffee.jpg"
    plan = plan_jobs([photo], folder / "skimage_chelsea.jpg", Path("out.v2"))
    job = Job(photo, folder / "skimage_chelsea.jpg", Path("out.v2") / "skimage_coffee.jpg")
    assert plan == Plan([job], without_mask=[], ambiguous={})


def test_weights_of_a_run_do_the_work(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_weights(tmp_path / "generator_final.pth", PConvUNet(8, 3))
    photo, mask = a_photo_and_its_mask(tmp_path)
    weights = str(tmp_path / "generator_final.pth")
    assert f"the weights {weights}" in run(photo, "--mask", mask, "--output", tmp_path / "b.png", weights=weights).out


def test_the_installed_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        write_png(file, noise(37, 53, 3, bits=16), Metadata(exif=camera_exif(8).tobytes()))
    mask = save_mask(tmp_path / "m.png", hole_of(53, 37))
    command = [sys.executable, "-m", "onar", "complete", "a.png", "--mask", mask.name, "--output", "b.png"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "the bundled weights" in done.stdout
    assert read_by_opencv(tmp_path / "b.png", 3).shape == (53, 37, 3)
    monkeypatch.chdir(tmp_path)
    assert run(*command[4:], code=2).err.startswith("onar: --output is in use: b.png exists already")
