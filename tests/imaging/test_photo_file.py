import struct
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from onar.errors import OnarError
from onar.imaging.formats import png, tiff
from onar.imaging.formats.endings import FORMATS
from onar.imaging.formats.metadata import Metadata
from onar.imaging.formats.png import write_png
from onar.imaging.formats.tiff import write_tiff
from onar.imaging.images import PhotoError, PhotoTooLargeError
from onar.imaging.photo_file import Photo, read_photo_file, write_photo_file
from tests.support.pictures import COFFEE, encode, png_header
from tests.support.runs import one_line

LOSSLESS = [".png", ".tif", ".bmp", ".webp"]
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def noise(*shape: int, bits: int = 8, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2**bits, shape).astype(np.uint8 if bits == 8 else np.uint16)


def camera_exif(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera"
    exif[ExifTags.Base.Orientation] = orientation
    details = {ExifTags.Base.ISOSpeedRatings: 400, ExifTags.Base.ExifImageWidth: 31, ExifTags.Base.ExifImageHeight: 20}
    exif.get_ifd(ExifTags.IFD.Exif).update(details)
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (1.0, 2.0, 3.0)})
    return exif


def read_by_opencv(path: Path, channels: int) -> np.ndarray:
    """H×W×C as stored, at the file's own depth."""
    pixels = np.atleast_3d(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    return pixels[..., {1: [0], 2: [0, 3], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]]


def through(path: Path, output: Path) -> tuple[Photo, list[str]]:
    photo = read_photo_file(path)
    return photo, write_photo_file(output, photo)


# ---------------------------------------------------------------- lossless files
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("shape", [(20, 31), (20, 31, 2), (20, 31, 3), (20, 31, 4), (1, 1), (1, 300, 3), (300, 1)])
def test_png_and_tiff_hold_every_pixel_and_what_belongs_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], bits: int
) -> None:
    for module in (png, tiff):
        monkeypatch.setattr(module, "BLOCK", 500)  # several blocks even here
    pixels = noise(*shape, bits=bits)
    channels = np.atleast_3d(pixels).shape[2]
    metadata = {"exif": camera_exif().tobytes(), "dpi": (300.0, 240.0)}
    if channels > 2:
        metadata["icc_profile"] = PROFILE
    for path, write in ((tmp_path / "a.png", write_png), (tmp_path / "a.tif", write_tiff)):
        with path.open("wb+") as file:
            write(file, pixels, Metadata(**metadata))
        if path.suffix == ".tif" and channels == 2 and bits == 16:
            continue  # neither Pillow nor OpenCV reads it
        with Image.open(path) as image:
            assert image.getexif()[ExifTags.Base.Make] == "Camera"
            assert image.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] == 400
            assert image.getexif().get_ifd(ExifTags.IFD.GPSInfo) == {1: "N", 2: (1.0, 2.0, 3.0)}
            assert image.info.get("icc_profile") == metadata.get("icc_profile")
            assert image.info["dpi"] == pytest.approx((300, 240), abs=0.01)
            if bits == 8:
                assert np.array_equal(np.asarray(image), pixels)
        if bits == 16:
            assert np.array_equal(read_by_opencv(path, channels), np.atleast_3d(pixels))


def test_png_files_are_no_larger_than_a_fifth_above_pillows(tmp_path: Path) -> None:
    pixels = np.asarray(Image.open(COFFEE).convert("RGB"))
    with (tmp_path / "ours.png").open("wb") as file:
        write_png(file, pixels)
    Image.fromarray(pixels).save(tmp_path / "pillows.png")
    assert (tmp_path / "ours.png").stat().st_size < 1.2 * (tmp_path / "pillows.png").stat().st_size


# ---------------------------------------------------------------- pixels
@pytest.mark.parametrize("extension", LOSSLESS)
@pytest.mark.parametrize("shape", [(9, 14), (9, 14, 3), (1, 1, 3)])
def test_lossless_formats_keep_every_pixel(tmp_path: Path, extension: str, shape: tuple[int, ...]) -> None:
    pixels = noise(*shape)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    photo, losses = through(tmp_path / "a.png", tmp_path / f"b{extension}")
    assert np.array_equal(photo.pixels, pixels)
    assert not losses
    again = read_photo_file(tmp_path / f"b{extension}")
    grey_is_lost = extension == ".webp" and len(shape) == 2  # WebP knows RGB only
    assert np.array_equal(again.pixels[..., 0] if grey_is_lost else again.pixels, pixels)


@pytest.mark.parametrize("extension", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_and_the_colours_under_it_are_kept(tmp_path: Path, extension: str, channels: int) -> None:
    pixels = noise(9, 14, channels)
    pixels[:4, :, -1] = 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    photo, _ = through(tmp_path / "a.png", tmp_path / f"b{extension}")
    assert np.array_equal(photo.alpha, pixels[..., -1])
    again = read_photo_file(tmp_path / f"b{extension}")
    assert np.array_equal(again.alpha, pixels[..., -1])
    colours = np.repeat(pixels[..., :1], 3, axis=2) if channels == 2 else pixels[..., :3]
    assert np.array_equal(again.pixels, colours if again.pixels.ndim == 3 else pixels[..., 0])


@pytest.mark.parametrize("extension", [".jpg", ".bmp"])
def test_formats_without_alpha_say_so(tmp_path: Path, extension: str) -> None:
    Image.fromarray(noise(9, 14, 4)).save(tmp_path / "a.png")
    _, losses = through(tmp_path / "a.png", tmp_path / f"b{extension}")
    assert losses == [f"{FORMATS[extension]} holds no transparency"]
    assert read_photo_file(tmp_path / f"b{extension}").alpha is None


@pytest.mark.parametrize("source", [".png", ".tif"])
@pytest.mark.parametrize("target", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_are_kept(tmp_path: Path, source: str, target: str, channels: int) -> None:
    pixels = noise(9, 14, channels, bits=16)
    cv2.imwrite(str(tmp_path / f"a{source}"), pixels[..., [0] if channels == 1 else [2, 1, 0, 3][:channels]])
    photo, losses = through(tmp_path / f"a{source}", tmp_path / f"b{target}")
    assert (photo.pixels.dtype, photo.pixels.ndim) == (np.uint16, 2 if channels == 1 else 3)
    assert not losses
    assert np.array_equal(read_by_opencv(tmp_path / f"b{target}", channels), pixels)


def test_16_bits_become_8_where_the_format_holds_no_more(tmp_path: Path) -> None:
    pixels = noise(9, 14, 3, bits=16)
    cv2.imwrite(str(tmp_path / "a.png"), pixels[..., ::-1])
    _, losses = through(tmp_path / "a.png", tmp_path / "b.bmp")
    assert losses == ["BMP holds 8 bits per channel only"]
    assert np.abs(read_photo_file(tmp_path / "b.bmp").pixels - pixels / 257).max() <= 0.51


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("extension", [".png", ".tif"])
@pytest.mark.parametrize("orientation", [1, 3, 5, 6, 8])
def test_a_turned_photo_comes_out_upright(tmp_path: Path, orientation: int, extension: str, bits: int) -> None:
    upright = noise(20, 31, 3, bits=bits)
    stored = {1: upright, 3: upright[::-1, ::-1], 5: upright.transpose(1, 0, 2), 6: np.rot90(upright)}
    stored[8] = np.rot90(upright, -1)
    write = write_png if extension == ".png" else write_tiff
    path = tmp_path / f"a{extension}"
    with path.open("wb+") as file:
        write(file, stored[orientation], Metadata(exif=camera_exif(orientation).tobytes()))
    photo, _ = through(path, tmp_path / "b.png")
    assert np.array_equal(photo.pixels, upright)
    with Image.open(tmp_path / "b.png") as image:
        assert (image.getexif()[ExifTags.Base.Orientation], image.getexif()[ExifTags.Base.Make]) == (1, "Camera")
        details = image.getexif().get_ifd(ExifTags.IFD.Exif)
    assert (details[ExifTags.Base.ExifImageWidth], details[ExifTags.Base.ExifImageHeight]) == (31, 20)


def test_one_bit_becomes_grey(tmp_path: Path) -> None:
    Image.fromarray(noise(9, 14) > 127).save(tmp_path / "a.png")
    pixels = read_photo_file(tmp_path / "a.png").pixels
    assert (pixels.shape, set(np.unique(pixels))) == ((9, 14), {0, 255})


@pytest.mark.parametrize("transparency", [None, 1, bytes([0, 128, 255, 30])])
def test_a_palette_becomes_colours_with_its_transparency(tmp_path: Path, transparency: int | bytes | None) -> None:
    colours = noise(4, 3)
    indices = noise(9, 14) % 4
    picture = Image.fromarray(indices, "L").convert("P")
    picture.putdata(indices.ravel().tolist())
    picture.putpalette(colours.ravel().tolist())
    picture.save(tmp_path / "a.png", **({} if transparency is None else {"transparency": transparency}))
    photo, _ = through(tmp_path / "a.png", tmp_path / "b.png")
    assert np.array_equal(photo.pixels, colours[indices])
    if transparency is None:
        assert photo.alpha is None
    else:
        opacity = [255, 0, 255, 255] if transparency == 1 else list(transparency)
        assert np.array_equal(photo.alpha, np.array(opacity, np.uint8)[indices])
    assert Image.open(tmp_path / "b.png").mode == ("RGB" if transparency is None else "RGBA")


def test_the_first_picture_of_an_animated_gif_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (14, 9), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    photo = read_photo_file(tmp_path / "a.gif")
    assert (photo.pixels == (255, 0, 0)).all()
    assert photo.losses == ("of its 3 pictures only the first is completed",)


def test_the_second_picture_of_a_phones_jpeg_is_left_out_and_said(tmp_path: Path) -> None:
    photo = Image.open(COFFEE)
    photo.save(tmp_path / "a.jpg", "MPO", quality=60, save_all=True, append_images=[photo.resize((60, 40))])
    photo, losses = through(tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert photo.losses == ("the second picture in the file, a preview or a depth map, is left out",)
    assert not losses
    with Image.open(tmp_path / "a.jpg") as before, Image.open(tmp_path / "b.jpg") as after:
        assert ((before.format, after.format), after.quantization) == (("MPO", "JPEG"), before.quantization)


@pytest.mark.parametrize("profile", [None, PROFILE, b"no profile" * 20])
@pytest.mark.parametrize("extension", [".jpg", ".tif"])
def test_cmyk_becomes_rgb_and_says_so(tmp_path: Path, extension: str, profile: bytes | None) -> None:
    Image.new("CMYK", (16, 16), (255, 0, 255, 0)).save(tmp_path / f"a{extension}", icc_profile=profile)
    photo, _ = through(tmp_path / f"a{extension}", tmp_path / "b.jpg")
    assert photo.losses == ("CMYK becomes RGB",)
    assert np.abs(np.subtract(photo.pixels, (0, 255, 0))).max() <= 3
    assert not photo.metadata.icc_profile
    assert Image.open(tmp_path / "b.jpg").mode == "RGB"


# ---------------------------------------------------------------- what belongs to the pixels
@pytest.mark.parametrize("extension", [".jpg", ".png", ".tif", ".webp"])
def test_exif_profile_and_resolution_are_kept(tmp_path: Path, extension: str) -> None:
    with Image.open(COFFEE) as photo:
        options = {"exif": camera_exif(6), "icc_profile": PROFILE, "dpi": (300, 300)}
        photo.resize((31, 20)).save(tmp_path / "a.jpg", **options)
    photo, losses = through(tmp_path / "a.jpg", tmp_path / f"b{extension}")
    assert not losses
    assert (photo.pixels.shape, photo.stored_size) == ((31, 20, 3), (31, 20))
    with Image.open(tmp_path / f"b{extension}") as image:
        assert (image.size, image.info["icc_profile"]) == ((20, 31), PROFILE)
        if extension != ".webp":
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
        exif = image.getexif()
        assert (exif[ExifTags.Base.Make], exif[ExifTags.Base.Orientation]) == ("Camera", 1)
        assert exif.get_ifd(ExifTags.IFD.GPSInfo)[1] == "N"
        assert exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] == 20


def test_the_thumbnail_of_the_uncompleted_photo_is_left_out(tmp_path: Path) -> None:
    thumbnail = encode(Image.new("RGB", (16, 16), "red"), "JPEG")
    # IFD0 without tags, then IFD1 with the offset (38) and the length of a thumbnail
    first = struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<HI", 0, 14)
    entries = struct.pack("<HHII", 513, 4, 1, 44) + struct.pack("<HHII", 514, 4, 1, len(thumbnail))
    block = first + struct.pack("<H", 2) + entries + struct.pack("<I", 0) + thumbnail
    Image.new("RGB", (31, 20)).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + block)
    assert Image.open(tmp_path / "a.jpg").getexif().get_ifd(ExifTags.IFD.IFD1)
    through(tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert thumbnail not in (tmp_path / "b.jpg").read_bytes()


def test_tags_of_a_tiffs_layout_do_not_leak_into_other_files(tmp_path: Path) -> None:
    Image.fromarray(noise(20, 31, 3)).save(tmp_path / "a.tif", exif=camera_exif(), compression=None)
    through(tmp_path / "a.tif", tmp_path / "b.jpg")
    exif = Image.open(tmp_path / "b.jpg").getexif()
    assert exif[ExifTags.Base.Make] == "Camera"
    assert not {ExifTags.Base.StripOffsets, ExifTags.Base.BitsPerSample, ExifTags.Base.ImageWidth} & set(exif)


def test_damaged_exif_does_not_matter(tmp_path: Path) -> None:
    Image.fromarray(noise(20, 31, 3)).save(tmp_path / "a.png", exif=b"Exif\0\0neither byte order")
    photo, _ = through(tmp_path / "a.png", tmp_path / "b.png")
    assert photo.metadata.exif == b""


def test_exif_too_large_for_a_jpeg_is_left_out_and_said(tmp_path: Path) -> None:
    exif = camera_exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] = bytes(70_000)
    Image.fromarray(noise(20, 31, 3)).save(tmp_path / "a.png", exif=exif)
    _, losses = through(tmp_path / "a.png", tmp_path / "b.jpg")
    assert losses == ["JPEG holds no EXIF of this size"]


@pytest.mark.parametrize("quality", [30, 75, 98])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_is_compressed_as_its_source(tmp_path: Path, quality: int, subsampling: int, progressive: bool) -> None:
    with Image.open(COFFEE) as photo:
        options = {"quality": quality, "subsampling": subsampling, "progressive": progressive}
        photo.resize((300, 200)).save(tmp_path / "a.jpg", **options)
    through(tmp_path / "a.jpg", tmp_path / "b.jpg")
    with Image.open(tmp_path / "a.jpg") as before, Image.open(tmp_path / "b.jpg") as after:
        assert (after.quantization, after.layer) == (before.quantization, before.layer)
        assert bool(after.info.get("progressive")) is progressive
    sizes = [(tmp_path / name).stat().st_size for name in ("a.jpg", "b.jpg")]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.05)


def test_a_grey_jpeg_stays_grey(tmp_path: Path) -> None:
    Image.open(COFFEE).convert("L").resize((300, 200)).save(tmp_path / "a.jpg", quality=60)
    photo, _ = through(tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert photo.pixels.shape == (200, 300)
    with Image.open(tmp_path / "a.jpg") as before, Image.open(tmp_path / "b.jpg") as after:
        assert (after.mode, after.quantization) == ("L", before.quantization)


# ---------------------------------------------------------------- damage
@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.png", b"", "the file is empty"),
        ("text.jpg", b"this is not a picture\n", "not a picture"),
        ("truncated.jpg", COFFEE.read_bytes()[:5000], "truncated"),
        ("truncated.png", png_header(64, 64), "damaged"),
        ("bomb.png", png_header(13_000, 13_000), r"larger than 100 megapixels \(13000 x 13000\)"),
    ],
)
def test_damage_is_reported_in_one_line(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with one_line(reason, PhotoError) as caught:
        read_photo_file(tmp_path / name, pixel_limit=100_000_000)
    assert isinstance(caught.value, PhotoTooLargeError) == (name == "bomb.png")


@pytest.mark.parametrize("extension", [".jpg", ".png", ".16.png", ".tif", ".16.tif", ".gif", ".webp"])
def test_random_damage_never_raises_anything_but_an_error_for_people(tmp_path: Path, extension: str) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / f"a{extension}"
    if extension.startswith(".16"):
        write = write_png if path.suffix == ".png" else write_tiff
        metadata = {"exif": camera_exif(6).tobytes(), "dpi": (300, 300), "icc_profile": PROFILE}
        with path.open("wb+") as file:
            write(file, noise(24, 24, 3, bits=16), Metadata(**metadata))
    else:
        options = {} if extension == ".gif" else {"exif": camera_exif(6), "icc_profile": PROFILE, "dpi": (300, 300)}
        Image.open(COFFEE).resize((24, 24)).save(path, **options)
    content = np.frombuffer(path.read_bytes(), np.uint8)
    for number in range(60):
        changed = content.copy()
        changed[rng.integers(min(len(changed), 400), size=3)] = rng.integers(256, size=3)
        path.write_bytes(changed[: rng.integers(len(changed) // 2, len(changed) + 1) if number % 2 else None].tobytes())
        with suppress(OnarError):
            through(path, tmp_path / f"b{[*FORMATS][number % len(FORMATS)]}")


@pytest.mark.parametrize("name", ["folder.png", "photo.gif", "photo", "file/photo.png"])
def test_what_cannot_be_written_is_reported_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("")
    with one_line("cannot write"):
        write_photo_file(tmp_path / name, read_photo_file(COFFEE))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]


def test_a_picture_too_large_for_its_format_leaves_nothing_behind(tmp_path: Path) -> None:
    Image.new("RGB", (20_000, 1)).save(tmp_path / "a.png")
    with pytest.raises(OnarError, match=r"cannot write .*b\.webp"):
        through(tmp_path / "a.png", tmp_path / "b.webp")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
