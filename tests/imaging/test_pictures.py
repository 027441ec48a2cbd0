"""Pillow's pictures through `Inpainter`: upright, and with all that they carried when they are saved."""

import copy
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps, PngImagePlugin

from onar import Inpainter, UsageError
from tests.imaging.test_photo_file import camera_exif, noise
from tests.support.runs import run_onar

INPAINTER = Inpainter.load("pyramid")
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><d tiff:Orientation="6" dc:title="\xc5\x9fi\xc5\x9fli"/></x:xmpmeta>'
UPRIGHT_XMP = XMP.replace(b'"6"', b'"1"')
ARTIST = "Gökçe Şişli"
FILES = {"JPEG": "jpg", "PNG": "png", "TIFF": "tif", "WEBP": "webp"}
SAVERS: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95}, "PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}


def exif_of(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Artist] = ARTIST.encode()
    return exif.tobytes()


def file_of(kind: str, orientation: int = 6, mode: str = "RGB") -> io.BytesIO:
    """A file of 36 x 24 stored pixels that says much."""
    said: dict[str, Any] = {"exif": exif_of(orientation), "icc_profile": PROFILE, "dpi": (300, 300), "xmp": XMP}
    if kind == "PNG":
        said["pnginfo"] = PngImagePlugin.PngInfo()
        said["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
        said["pnginfo"].add_text("Title", "Şişli")
    if kind == "TIFF":
        exif = Image.Exif()
        exif.load(said["exif"])
        exif[ExifTags.Base.Artist], exif[700] = ARTIST.encode(), XMP
        said["exif"] = exif
    file = io.BytesIO()
    Image.fromarray(noise(24, 36, 3)).convert(mode).save(file, kind, **{**said, **SAVERS[kind]})
    return file


def artist_of(picture: Image.Image) -> str:
    return picture.getexif()[ExifTags.Base.Artist].encode("latin-1").decode()


def mask_of(size: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", size)
    mask.paste(255, (3, 4, 15, 19))
    return mask


def completed(file: io.BytesIO) -> Image.Image:
    photo = Image.open(file)
    return INPAINTER(photo, mask_of(ImageOps.exif_transpose(photo).size))


# ---------------------------------------------------------------- upright
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", SAVERS)
def test_a_turned_picture_is_filled_upright(kind: str, orientation: int) -> None:
    file = file_of(kind, orientation)
    upright = ImageOps.exif_transpose(Image.open(file))
    result = completed(file)
    assert (result.mode, result.size) == ("RGB", upright.size)
    assert result.getexif().get(ExifTags.Base.Orientation, 1) == 1
    known = np.asarray(mask_of(upright.size)) == 0
    assert np.array_equal(np.asarray(result)[known], np.asarray(upright)[known])


@pytest.mark.parametrize("kind", SAVERS)
def test_the_picture_is_what_the_command_makes_of_the_file(tmp_path: Path, kind: str) -> None:
    file = file_of(kind)
    (tmp_path / f"a.{FILES[kind]}").write_bytes(file.getvalue())
    mask_of((24, 36)).save(tmp_path / "m.png")
    photo, mask, output = (tmp_path / name for name in (f"a.{FILES[kind]}", "m.png", "b.png"))
    run_onar("complete", photo, "--mask", mask, "--output", output, "--weights", "pyramid")
    assert np.array_equal(np.asarray(Image.open(output)), np.asarray(completed(file)))


def test_a_mask_of_the_stored_size_is_refused_with_the_reason() -> None:
    with pytest.raises(UsageError, match=r"mask is 36 x 24 pixels, the photo 24 x 36; .* EXIF orientation: turn the"):
        INPAINTER(Image.open(file_of("JPEG")), mask_of((36, 24)))


# ---------------------------------------------------------------- what is carried
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("target", SAVERS)
@pytest.mark.parametrize("kind", SAVERS)
def test_what_a_file_says_is_in_the_file_that_is_saved(tmp_path: Path, kind: str, target: str, mode: str) -> None:
    result = completed(file_of(kind, mode=mode))
    path = tmp_path / f"a.{FILES[target]}"
    result.save(path)
    with Image.open(path) as read:
        assert (read.size, artist_of(read)) == ((24, 36), ARTIST)
        assert (read.getexif().get(ExifTags.Base.Orientation, 1), read.info["icc_profile"]) == (1, PROFILE)
        if "WEBP" not in (kind, target):
            assert np.allclose([float(value) for value in read.info["dpi"]], 300, atol=0.02)
        xmp = read.info.get("xmp") or read.info["XML:com.adobe.xmp"]
        packet = xmp.encode() if isinstance(xmp, str) else xmp
        if kind == "TIFF":  # of which Pillow itself has taken the orientation out
            assert "şişli" in packet.decode()
            assert b'Orientation="6"' not in packet
        else:
            assert packet == UPRIGHT_XMP
        if kind == target == "PNG":
            assert read.text["Title"] == "Şişli"


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_a_resolution_that_pillow_makes_up_is_not_written(tmp_path: Path, kind: str) -> None:
    exif = Image.Exif()
    if kind == "JPEG":
        exif[ExifTags.Base.XResolution], exif[ExifTags.Base.YResolution] = 1.0, 1.0
        exif[ExifTags.Base.ResolutionUnit] = 1  # none
    file = io.BytesIO()
    Image.fromarray(noise(24, 36, 3)).save(file, kind, exif=exif)
    picture = Image.open(file)
    assert picture.info["dpi"] == (1, 1)
    INPAINTER(picture, mask_of(picture.size)).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as read:
        assert "dpi" not in read.info


def test_what_is_given_to_save_wins_and_streams_and_copies_work(tmp_path: Path) -> None:
    result = completed(file_of("JPEG"))
    stream = io.BytesIO()
    result.save(stream, "jpeg", exif=b"", dpi=(72, 72))
    read = Image.open(stream)
    assert "exif" not in read.info
    assert (read.info["dpi"], read.info["icc_profile"]) == ((72, 72), PROFILE)
    assert (result.copy().info, result.resize((3, 4)).size) == (result.info, (3, 4))
    for twin in (copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
        twin.save(tmp_path / "a.png")
        assert artist_of(Image.open(tmp_path / "a.png")) == ARTIST
    for kind in ("bmp", "gif"):
        result.save(tmp_path / f"a.{kind}")


def test_xmp_that_a_jpeg_cannot_hold_does_not_stop_it() -> None:
    result = completed(file_of("JPEG"))
    result.info["xmp"] = bytes(70_000)
    stream = io.BytesIO()
    result.save(stream, "JPEG")
    assert "xmp" not in Image.open(stream).info


def test_damaged_exif_is_left_out() -> None:
    photo = Image.fromarray(noise(24, 36, 3))
    photo.info["exif"] = b"Exif\0\0no directory"
    assert "exif" not in INPAINTER(photo, mask_of((36, 24))).info


def test_a_makers_note_stays_byte_for_byte() -> None:
    file = io.BytesIO()
    Image.fromarray(noise(24, 36, 3)).save(file, "JPEG", exif=camera_exif(8))
    before, after = Image.open(file).info["exif"], completed(file).info["exif"]
    assert len(before) == len(after)
    assert sum(one != other for one, other in zip(before, after, strict=True)) < 20  # orientation and sizes


# ---------------------------------------------------------------- a colour that is transparent
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_pixels_of_a_transparent_colour_are_neither_seen_nor_filled(mode: str) -> None:
    pixels = np.full((24, 36, 3), 90, np.uint8)
    pixels[:, 20:] = 255
    photo = Image.fromarray(pixels).convert(mode)
    photo.info["transparency"] = 255 if mode == "L" else (255, 255, 255)
    mask = Image.new("L", photo.size)
    mask.paste(255, (15, 5, 30, 15))
    result = INPAINTER(photo, mask)
    assert np.array_equal(np.asarray(result), np.asarray(photo))  # the fill is the grey beside it, without the white
    file = io.BytesIO()
    result.save(file, "PNG")
    assert np.array_equal(np.asarray(Image.open(file).convert("RGBA"))[..., 3] == 255, pixels[..., 0] == 90)


def test_no_fill_is_transparent_by_chance() -> None:
    photo = Image.new("RGB", (36, 24), (90, 90, 90))
    photo.putpixel((0, 0), (1, 2, 3))
    photo.info["transparency"] = (90, 90, 90)
    mask = Image.new("L", photo.size)
    mask.paste(255, (0, 0, 2, 2))
    assert INPAINTER(photo, mask).getpixel((0, 0)) != (90, 90, 90)
