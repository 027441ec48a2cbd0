import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFile

from onar.errors import OnarError
from onar.imaging.crops import centre_box, largest_crop
from onar.imaging.formats import endings as formats
from onar.imaging.formats.endings import FORMATS
from onar.imaging.images import PIXEL_LIMIT, PhotoBytes, PhotoError, open_photo, open_picture, read_mask, read_photo
from onar.imaging.orientation import find_turn
from onar.imaging.writing import write_image
from onar.inference.holes import as_holes
from onar.masks.holes import holes_from_mask
from tests.support.pictures import COFFEE, png_header
from tests.support.runs import one_line

RED, GREEN, BLUE, GREY = (250, 10, 20), (30, 240, 40), (0, 70, 200), (120, 120, 120)
PHOTO = COFFEE


def quarters(*colours: object, mode: str = "RGB") -> Image.Image:
    """An 32 x 48 picture (height x width) of four flat quarters: top left, top right, bottom left, bottom right."""
    picture = Image.new(mode, (48, 32))
    for number, colour in enumerate(colours):
        picture.paste(colour, (number % 2 * 24, number // 2 * 16, number % 2 * 24 + 24, number // 2 * 16 + 16))
    return picture


def colours_of(path: Path) -> list[tuple[int, ...]]:
    """The colours in the middle of the four quarters."""
    pixels = np.asarray(read_photo(path))
    height, width = pixels.shape[:2]
    return [tuple(pixels[y, x].tolist()) for y in (height // 4, -height // 4) for x in (width // 4, -width // 4)]


def similar(first: np.ndarray, second: np.ndarray) -> float:
    """PSNR in dB."""
    return float(10 * np.log10(255**2 / np.square(first.astype(float) - second.astype(float)).mean().clip(1e-9)))


# ---------------------------------------------------------------- what files hold
@pytest.mark.parametrize("extension", [*FORMATS, ".JPG", ".Png"])
def test_every_format_is_read_as_rgb(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"photo{extension}"
    options = {"quality": 100} if "jp" in extension.lower() else {"lossless": True} if extension == ".webp" else {}
    quarters(RED, GREEN, BLUE, GREY).save(path, **options)
    assert np.abs(np.subtract(colours_of(path), [RED, GREEN, BLUE, GREY])).max() <= 2


@pytest.mark.parametrize(
    ("mode", "colours", "expected"),
    [
        ("L", (0, 60, 128, 255), [(0,) * 3, (60,) * 3, (128,) * 3, (255,) * 3]),
        ("LA", ((0, 255), (60, 0), (128, 9), (255, 99)), [(0,) * 3, (60,) * 3, (128,) * 3, (255,) * 3]),
        ("RGBA", ((*RED, 0), (*GREEN, 9), (*BLUE, 255), (*GREY, 128)), [RED, GREEN, BLUE, GREY]),
        ("1", (0, 1, 1, 0), [(0,) * 3, (255,) * 3, (255,) * 3, (0,) * 3]),
    ],
)
def test_every_colour_mode_is_read_as_rgb_without_its_alpha(
    tmp_path: Path, mode: str, colours: tuple[object, ...], expected: list[tuple[int, ...]]
) -> None:
    path = tmp_path / "photo.png"
    quarters(*colours, mode=mode).save(path)
    assert colours_of(path) == expected


@pytest.mark.parametrize("transparency", [None, 1, bytes([0, 128, 255, 30])])
def test_a_palette_is_looked_up_whatever_its_transparency(tmp_path: Path, transparency: int | bytes | None) -> None:
    picture = quarters(0, 1, 2, 3, mode="P")
    picture.putpalette([*RED, *GREEN, *BLUE, *GREY])
    path = tmp_path / "photo.png"
    picture.save(path, **({} if transparency is None else {"transparency": transparency}))
    assert colours_of(path) == [RED, GREEN, BLUE, GREY]


@pytest.mark.parametrize("extension", [".jpg", ".tif"])
def test_cmyk_becomes_rgb(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"photo{extension}"
    quarters((0, 255, 255, 0), (255, 0, 255, 0), (255, 255, 0, 0), (0, 0, 0, 128), mode="CMYK").save(path)
    expected = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (127, 127, 127)]
    assert np.abs(np.subtract(colours_of(path), expected)).max() <= 3


@pytest.mark.parametrize("extension", [".png", ".tif"])
def test_16_bit_grey_is_scaled_and_not_clipped(tmp_path: Path, extension: str) -> None:
    grey = np.linspace(0, 65535, 256 * 8).round().astype(np.uint16).reshape(8, 256)
    path = tmp_path / f"photo{extension}"
    Image.fromarray(grey).save(path)
    assert np.abs(np.asarray(read_photo(path))[..., 0] - grey / 257).max() <= 0.51


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_floating_point_grey_is_scaled_by_the_usual_white(tmp_path: Path, white: float) -> None:
    path = tmp_path / "photo.tif"
    Image.fromarray(np.linspace(0, white, 64, dtype=np.float32).reshape(8, 8)).save(path)
    assert np.abs(np.asarray(read_photo(path))[..., 0].ravel() - np.linspace(0, 255, 64)).max() <= 0.51


def test_a_16_bit_colour_png_keeps_its_upper_8_bits(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 65536, (8, 9, 3)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "photo.png"), colours[..., ::-1])
    assert np.abs(np.asarray(read_photo(tmp_path / "photo.png")) - colours / 257).max() <= 1


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp", ".tif", ".lzw.tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_sets_the_photo_upright(tmp_path: Path, orientation: int, extension: str) -> None:
    upright = np.asarray(quarters(RED, GREEN, BLUE, GREY))
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.transpose(1, 0, 2), 6: np.rot90(upright), 7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo{extension}"
    options = {".webp": {"lossless": True}, ".jpg": {"quality": 100}, ".lzw.tif": {"compression": "tiff_lzw"}}
    Image.fromarray(stored).save(path, exif=exif, **options.get(extension, {}))
    assert np.abs(np.subtract(colours_of(path), [RED, GREEN, BLUE, GREY])).max() <= 2
    with open_photo(path) as photo:
        assert (photo.height, photo.width) == (32, 48)
        corner = photo.read_crop((24, 0, 48, 16), 8, 12)
    assert np.abs(corner[2:-2, 2:-2] - np.array(GREEN)).max() <= 2


def test_damaged_exif_does_not_matter(tmp_path: Path) -> None:
    quarters(RED, GREEN, BLUE, GREY).save(tmp_path / "photo.png", exif=b"Exif\0\0neither byte order")
    assert colours_of(tmp_path / "photo.png") == [RED, GREEN, BLUE, GREY]


# ---------------------------------------------------------------- damage
def damaged_files() -> dict[str, bytes]:
    photo = PHOTO.read_bytes()
    return {
        "truncated.jpg": photo[: len(photo) // 2],
        "header_only.jpg": photo[:40],
        "truncated.png": png_header(64, 64),
        "text.jpg": b"this is not a picture\n",
        "empty.png": b"",
        "bomb.png": png_header(40_000, 40_000),
        "over_the_limit.png": png_header(PIXEL_LIMIT // 1000 + 1, 1000),
        "postscript.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "line\nbreak.jpg": b"x",
    }


@pytest.mark.parametrize("name", damaged_files())
def test_a_damaged_file_is_reported_in_one_line_with_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(damaged_files()[name])
    named = re.escape(str(path).replace("\n", "?"))
    with warnings.catch_warnings(record=True) as warned, one_line(f"^{named}: ", PhotoError):
        read_photo(path)
    assert not warned
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_errors_distinguish_reasons(tmp_path: Path) -> None:
    for name, reason in {
        "empty.png": "the file is empty$",
        "truncated.jpg": ".*truncated",
        "bomb.png": "larger than 175 megapixels",
        "over_the_limit.png": r"larger than 175 megapixels \(175001 x 1000\)$",
        "text.jpg": "not a picture",
        "postscript.png": "not a picture",
    }.items():
        (tmp_path / name).write_bytes(damaged_files()[name])
        with pytest.raises(PhotoError, match=f": {reason}"):
            read_photo(tmp_path / name)
    with pytest.raises(PhotoError, match=r"nowhere\.jpg: no such file"):
        read_photo(tmp_path / "nowhere.jpg")
    with pytest.raises(PhotoError, match="is a directory"):
        read_photo(tmp_path)


@pytest.mark.parametrize("extension", FORMATS)
def test_random_damage_never_raises_anything_but_photo_error(tmp_path: Path, extension: str) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / f"photo{extension}"
    read_photo(PHOTO).resize((24, 24)).save(path)
    content = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(60):
        changed = content.copy()
        changed[rng.integers(min(len(changed), 400), size=3)] = rng.integers(256, size=3)
        path.write_bytes(changed[: rng.integers(len(changed) // 2, len(changed) + 1)].tobytes())
        with suppress(PhotoError):
            assert read_photo(path).mode == "RGB"


def test_a_large_photo_gives_no_warning(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.new("1", (10_000, 9_000)).save(path)  # 90 megapixels: Pillow warns from 89.5 on
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with open_photo(path) as photo:
            assert photo.height == 9_000


# ---------------------------------------------------------------- crops
def test_a_crop_at_its_own_size_is_exact(tmp_path: Path) -> None:
    whole = read_photo(PHOTO)
    whole.save(tmp_path / "photo.png")
    with open_photo(tmp_path / "photo.png") as photo:
        crop = photo.read_crop((30, 20, 130, 84), 64, 100)
    assert np.array_equal(crop, np.asarray(whole)[20:84, 30:130])


@pytest.mark.parametrize("reduction", [2, 4, 8])
def test_a_large_jpeg_is_decoded_at_reduced_size_to_nearly_the_same_crop(tmp_path: Path, reduction: int) -> None:
    path = tmp_path / "photo.jpg"
    whole = read_photo(PHOTO).resize((1601, 1201), Image.Resampling.LANCZOS)
    whole.save(path, quality=95)
    size, box = 600 // reduction, (301, 103, 1201, 1003)  # 1.5 times as large as the crop after the reduction
    with open_photo(path) as photo:
        crop = photo.read_crop(box, size, size)
        assert photo.image.width == -(-1601 // reduction)
    assert similar(crop, np.asarray(read_photo(path).resize((size, size), Image.Resampling.BICUBIC, box))) > 40


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_jpeg_is_decoded_at_reduced_size_to_the_same_place(tmp_path: Path, orientation: int) -> None:
    rng, path = np.random.default_rng(orientation), tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    for reduction in (2, 4, 8):
        stored = 1200 + int(rng.integers(1, 8)), 1000 + int(rng.integers(1, 8))  # what 8 does not divide is padded
        read_photo(PHOTO).resize(stored).save(path, quality=95, exif=exif)
        tall, wide = 600 // reduction, 480 // reduction
        with open_photo(path) as photo:
            left, top = (int(rng.integers(1, side - most)) for side, most in ((photo.width, 720), (photo.height, 900)))
            box = (left, top, left + 720, top + 900)
            crop = photo.read_crop(box, tall, wide)
            assert photo.image.width == -(-stored[0] // reduction)
        full = read_photo(path).resize((wide, tall), Image.Resampling.BICUBIC, box)
        assert similar(crop, np.asarray(full)) > 40


def pictures_of_all_kinds() -> Iterator[tuple[str, bytes]]:
    """Files of every format, colour model and orientation that Pillow writes, and of 16-bit colours."""
    small = read_photo(PHOTO).resize((9, 7))
    pictures = [small.convert(mode) for mode in ("RGB", "RGBA", "L", "LA", "P", "CMYK", "1")]
    pictures.append(Image.new("I;16", (9, 7), 700))
    extras: list[dict[str, Any]] = [{}, {"transparency": small.getpixel((4, 4))}, {"transparency": 3}]
    for kind, picture, extra, orientation in product(set(FORMATS.values()), pictures, extras, (1, 6)):
        file, exif = BytesIO(), Image.Exif()
        exif[0x0112] = orientation
        with suppress(OSError, KeyError, TypeError, ValueError):
            picture.save(file, kind, exif=exif, **extra)
            yield kind, file.getvalue()
    yield "PNG", cv2.imencode(".png", np.full((7, 9, 3), 700, np.uint16))[1].tobytes()


def test_a_photo_for_a_network_has_the_colours_of_the_whole_decoding() -> None:
    kinds = set()
    for kind, content in pictures_of_all_kinds():
        with open_picture(source := PhotoBytes(f"photo.{kind}", content)) as opened:
            opened.image.load()  # Pillow turns a TIFF here
            expected = opened.decode(find_turn(opened.image)).rgb
        with open_photo(source) as photo:
            assert np.array_equal(photo.read(), expected)
            kinds.add((kind, photo.image.mode))
    assert {("JPEG", "RGB"), ("PNG", "RGBA"), ("PNG", "RGB"), ("TIFF", "RGB"), ("WEBP", "RGB")} <= kinds


def test_a_photo_of_one_pixel_can_be_enlarged(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), RED).save(tmp_path / "photo.png")
    with open_photo(tmp_path / "photo.png") as photo:
        crop = photo.read_crop(centre_box(photo.height, photo.width, 16, 24), 16, 24)
    assert np.array_equal(crop, np.full((16, 24, 3), RED))


@pytest.mark.parametrize("photo", [(1, 1), (20, 3000), (513, 37), (512, 512), (7, 5)])
@pytest.mark.parametrize("size", [(512, 512), (8, 512), (96, 64)])
def test_the_largest_crop_fits_touches_two_sides_and_is_centred(photo: tuple[int, int], size: tuple[int, int]) -> None:
    height, width = largest_crop(*photo, *size)
    assert 1 <= height <= photo[0]
    assert 1 <= width <= photo[1]
    assert height == photo[0] or width == photo[1]
    left, top, right, bottom = centre_box(*photo, *size)
    assert (bottom - top, right - left) == (height, width)
    assert 0 <= photo[0] - bottom - top <= 1
    assert 0 <= photo[1] - right - left <= 1


def test_the_centre_box_keeps_proportions() -> None:
    assert (centre_box(32, 48, 32, 32), centre_box(100, 50, 20, 40)) == ((8, 0, 40, 32), (0, 37, 50, 62))


# ---------------------------------------------------------------- masks
@pytest.mark.parametrize(
    ("mode", "colours"),
    [
        ("L", (0, 127, 128, 255)),
        ("1", (0, 0, 1, 1)),
        ("RGB", ((0, 0, 0), (120, 120, 120), (140, 140, 140), (255, 255, 255))),
        ("RGBA", ((0, 0, 0, 255), (255, 255, 255, 0), (255, 255, 255, 200), (255, 255, 255, 255))),
        ("LA", ((0, 255), (255, 0), (255, 200), (255, 255))),
    ],
)
def test_a_mask_is_a_hole_where_it_is_bright_and_opaque(tmp_path: Path, mode: str, colours: tuple[object, ...]) -> None:
    quarters(*colours, mode=mode).save(tmp_path / "mask.png")
    mask = read_mask(tmp_path / "mask.png")
    assert (mask.dtype, mask.shape) == (np.uint8, (32, 48))
    assert not holes_from_mask(mask)[:16].any()
    assert holes_from_mask(mask)[16:].all()


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "1", "P", "I;16", "I", "F"])
def test_a_picture_in_memory_is_the_same_mask_as_in_a_file(tmp_path: Path, mode: str) -> None:
    if mode in ("I;16", "I", "F"):
        dtype = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        grey = np.linspace(0, 1 if mode == "F" else 65535, 48 * 32).reshape(32, 48).astype(dtype)
        picture = Image.fromarray(grey)
    else:
        picture = quarters(0, 255, 255, 0, mode="L").convert(mode)
    if mode.endswith("A"):
        picture.putalpha(Image.fromarray(np.tile(np.arange(48, dtype=np.uint8) * 5, (32, 1))))
    if mode == "P":
        picture.info["transparency"] = 255  # white, as editors may leave it
    picture.save(tmp_path / "mask.tif" if mode in ("I", "F") else tmp_path / "mask.png")
    expected = holes_from_mask(read_mask(next(tmp_path.glob("mask.*"))))
    assert np.array_equal(as_holes(picture), expected)
    assert expected.any() == (mode != "P")


def test_a_jpeg_mask_is_the_mask_that_was_saved(tmp_path: Path) -> None:
    saved = quarters(0, 255, 255, 0, mode="L").resize((96, 64), Image.Resampling.NEAREST)
    saved.save(tmp_path / "mask.jpg", quality=30)
    assert np.array_equal(holes_from_mask(read_mask(tmp_path / "mask.jpg")), np.asarray(saved) == 255)


def test_a_damaged_mask_is_a_photo_error(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(png_header(64, 64))
    with pytest.raises(PhotoError, match=r"mask\.png: damaged"):
        read_mask(tmp_path / "mask.png")


@pytest.mark.parametrize("ending", [".avif", ".heic", ".heif", ".hif", ".gif", ".jfif", ".jpe"])
def test_what_phones_and_browsers_save_is_read_as_photo_and_as_mask(tmp_path: Path, ending: str) -> None:
    if ending in formats.NOT_READABLE_HERE:
        pytest.skip(f"needs {formats.NOT_READABLE_HERE[ending]}")
    photo = Image.open(PHOTO).resize((96, 64))
    hole = np.zeros((64, 96), bool)
    hole[16:48, 16:48] = True
    for picture, name in ((photo, "photo"), (Image.fromarray(hole.astype(np.uint8) * 255), "mask")):
        kind = formats.READABLE[ending]
        if kind == "HEIF":
            from pillow_heif import from_pillow

            from_pillow(picture).save(tmp_path / f"{name}{ending}", quality=95)
        else:
            picture.save(tmp_path / f"{name}{ending}", kind, **({} if kind == "GIF" else {"quality": 95}))
    read = np.asarray(read_photo(tmp_path / f"photo{ending}"), int)
    assert np.abs(read - np.asarray(photo, int)).mean() < 5
    assert np.array_equal(holes_from_mask(read_mask(tmp_path / f"mask{ending}")), hole)


# ---------------------------------------------------------------- writing
@pytest.mark.parametrize("extension", [".png", ".PNG", ".bmp", ".tif", ".webp"])
@pytest.mark.parametrize("shape", [(5, 7, 3), (5, 7)])
def test_what_is_written_is_read_back(tmp_path: Path, extension: str, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    path = tmp_path / "new" / "folder" / f"photo{extension}"
    write_image(path, pixels)
    expected = pixels if len(shape) == 3 else np.stack([pixels] * 3, axis=-1)
    assert np.array_equal(np.asarray(read_photo(path)), expected)


def test_a_jpeg_is_written_in_high_quality(tmp_path: Path) -> None:
    photo = np.asarray(read_photo(PHOTO))
    write_image(tmp_path / "photo.jpeg", photo)
    assert similar(np.asarray(read_photo(tmp_path / "photo.jpeg")), photo) > 40


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "photo.webp"
    write_image(path, np.zeros((4, 4), np.uint8))
    before = path.read_bytes()
    with pytest.raises(OnarError, match=r"cannot write .*photo\.webp"):
        write_image(path, np.zeros((1, 20_000, 3), np.uint8))  # more than WebP can hold
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (before, [path])


def test_an_unwritable_target_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.png").mkdir()
    for target in (tmp_path / "file" / "photo.png", tmp_path / "folder.png", tmp_path / "photo.xyz", tmp_path / "none"):
        with one_line("cannot write"):
            write_image(target, np.zeros((4, 4), np.uint8))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]
