import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from onar.imaging.formats import exif, heif
from onar.imaging.formats.png import read_facts
from onar.imaging.photo_file import read_photo_file, write_photo_file
from tests.support.pictures import COFFEE, chunk

TEXTS = {
    ExifTags.Base.Copyright: "© 2024 Gökçe Müller".encode(),
    ExifTags.Base.Artist: "Ζωή Παπαδοπούλου".encode(),
    ExifTags.Base.ImageDescription: "写真, Şişli".encode(),
    ExifTags.Base.Software: "Lightroom ™".encode("cp1252"),
}
IN_DETAIL = {42033: "Seri № 12".encode(), 36867: b"2024:05:06 07:08:09"}  # BodySerialNumber, DateTimeOriginal
NOTE = b"Canon\0" + bytes(range(256))
DESCRIPTION = '<rdf:Description tiff:Orientation="6" dc:title="Şişli"/>'
XMP = f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{DESCRIPTION}</x:xmpmeta>'.encode()
THUMBNAILS = (
    b"<xmp:Thumbnails><rdf:Alt><rdf:li xmpGImg:width='256'>\n<xmpGImg:image>/9j/4AAQ&#xA;SkZJ</xmpGImg:image></rdf:li>"
    b"</rdf:Alt></xmp:Thumbnails>"
)
IPTC = b"\x1c\x02\x78\x00\x07Caption"
KEPT = [".jpg", ".png", ".tif", ".webp"]


def text(content: bytes) -> exif.Value:
    return exif.Value(2, len(content) + 1, content + b"\0")


def a_block(order: str = "<", orientation: int = 6) -> bytes:
    """EXIF with texts, types that cannot be inferred from the tag, fractions, and a maker's note."""
    details = {tag: text(content) for tag, content in IN_DETAIL.items()}
    details[37500] = exif.undefined(NOTE)
    details[33434] = exif.Value(5, 1, struct.pack(f"{order}II", 10, 2500))  # not reduced
    details[40962] = exif.long_numbers(order, 31)
    details[40963] = exif.Value(3, 1, struct.pack(f"{order}H", 20))
    first = {int(tag): text(content) for tag, content in TEXTS.items()}
    first[274] = exif.Value(3, 1, struct.pack(f"{order}H", orientation))
    first[50_000] = exif.Value(9, 2, struct.pack(f"{order}ii", -5, 7))  # an unknown tag
    position = exif.Value(5, 3, struct.pack(f"{order}6I", 41, 1, 1, 1, 30, 1))
    below = {34665: exif.Directory(details), 34853: exif.Directory({1: text(b"N"), 2: position})}
    return exif.tiff_header(order, 8) + exif.directory_bytes(exif.Directory(first, below), order, 8)


def tags_of(path: Path) -> dict[int, tuple[int, int, bytes]]:
    """All tags of all directories of a file's EXIF, as they are stored."""
    if path.suffix == ".tif":
        block = io.BytesIO(path.read_bytes())
    else:
        with Image.open(path) as image:
            block = io.BytesIO(exif.without_prefix(image.info["exif"]))
    _, first = exif.read_first_directory(block)
    values = dict(first.values)
    for directory in first.below.values():
        values |= directory.values
    return {tag: tuple(value[:3]) for tag, value in values.items() if tag not in exif.LAYOUT}


def a_photo(folder: Path, name: str, block: bytes = b"", size: tuple[int, int] = (31, 20), **options: object) -> Path:
    picture = Image.open(COFFEE).resize(size)
    if name.endswith(".tif"):
        picture.save(folder / name)
        with (folder / name).open("rb+") as file:
            exif.add_to_tiff(file, block, {})
    else:
        picture.save(folder / name, **({"exif": b"Exif\0\0" + block} if block else {}), **options)
    return folder / name


def through(source: Path, output: Path) -> list[str]:
    photo = read_photo_file(source)
    return [*photo.losses, *write_photo_file(output, photo)]


# ---------------------------------------------------------------- EXIF
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("source", KEPT)
@pytest.mark.parametrize("target", KEPT)
def test_every_tag_keeps_its_bytes_and_its_type(tmp_path: Path, source: str, target: str, order: str) -> None:
    if (source, order) == (".tif", ">"):
        pytest.skip("Pillow writes the file in the other byte order")
    path = a_photo(tmp_path, f"a{source}", a_block(order))
    assert not through(path, tmp_path / f"b{target}")
    before, after = tags_of(path), tags_of(tmp_path / f"b{target}")
    changed = {274, 40962, 40963} | ({282, 283, 296} if target == ".tif" else set())
    assert after.keys() - changed == before.keys() - changed
    assert all(after[tag] == value for tag, value in before.items() if tag not in changed)
    for tag, content in {**TEXTS, **IN_DETAIL}.items():
        assert after[tag][2] == content + b"\0"
    numbers = [int.from_bytes(after[tag][2], "little" if order == "<" else "big") for tag in (274, 40962, 40963)]
    assert numbers == [1, 20, 31]


def test_makers_notes_stay_where_they_point_to(tmp_path: Path) -> None:
    path = a_photo(tmp_path, "a.jpg", a_block())
    through(path, tmp_path / "b.jpg")
    with Image.open(path) as before, Image.open(tmp_path / "b.jpg") as after:
        assert before.info["exif"].index(NOTE) == after.info["exif"].index(NOTE)


def test_damaged_exif_is_left_out_and_said(tmp_path: Path) -> None:
    damaged = a_photo(tmp_path, "a.jpg", b"II*\0\xff\xff\xff\xff")
    assert through(damaged, tmp_path / "b.jpg") == ["its EXIF is damaged and left out"]


def test_a_tag_that_points_outside_does_not_cost_the_others(tmp_path: Path) -> None:
    block = bytearray(a_block())
    at = block.index(struct.pack("<HHI", 37500, 7, len(NOTE))) + 8
    block[at : at + 4] = struct.pack("<I", 1 << 31)
    assert not through(a_photo(tmp_path, "a.jpg", bytes(block)), tmp_path / "b.jpg")
    assert tags_of(tmp_path / "b.jpg")[315] == (2, len(TEXTS[315]) + 1, TEXTS[315] + b"\0")


def test_a_resolution_that_a_photo_does_not_say_is_not_made_up(tmp_path: Path) -> None:
    through(a_photo(tmp_path, "a.jpg", a_block(orientation=1)), tmp_path / "b.png")
    assert "dpi" not in Image.open(tmp_path / "b.png").info


# ---------------------------------------------------------------- XMP, IPTC, comments, texts
def xmp_of(path: Path) -> bytes:
    with Image.open(path) as image:
        return image.tag_v2[700] if path.suffix == ".tif" else image.info["xmp"]


@pytest.mark.parametrize("source", KEPT)
@pytest.mark.parametrize("target", KEPT)
def test_xmp_is_kept_and_turns_nothing_twice(tmp_path: Path, source: str, target: str) -> None:
    if source == ".tif":
        path = a_photo(tmp_path, "a.tif")
        with path.open("rb+") as file:
            exif.add_to_tiff(file, b"", {exif.XMP: exif.some_bytes(XMP)})
    elif source == ".png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        path = a_photo(tmp_path, "a.png", pnginfo=info)
    else:
        path = a_photo(tmp_path, f"a{source}", xmp=XMP)
    assert not through(path, tmp_path / f"b{target}")
    assert xmp_of(tmp_path / f"b{target}") == XMP.replace(b'Orientation="6"', b'Orientation="1"')


def test_the_thumbnails_in_xmp_are_left_out(tmp_path: Path) -> None:
    end = b"</rdf:Description>"
    packet = XMP.replace(b"/></x", b">" + end + b"</x")
    path = a_photo(tmp_path, "a.jpg", xmp=packet.replace(end, THUMBNAILS + end))
    assert not through(path, tmp_path / "b.jpg")
    assert xmp_of(tmp_path / "b.jpg") == packet.replace(b'Orientation="6"', b'Orientation="1"')


def test_iptc_and_comments_are_kept_where_they_have_a_place_and_else_said(tmp_path: Path) -> None:
    resource = b"Photoshop 3.0\0" + b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(IPTC)) + IPTC
    path = a_photo(tmp_path, "a.jpg", comment="Şişli".encode())
    with_segments(path, (0xED, resource))
    assert not through(path, tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as result:
        assert result.info["comment"] == "Şişli".encode()
        assert result.info["photoshop"][0x0404] == IPTC
    assert through(path, tmp_path / "b.tif") == ["TIFF holds no comment"]
    assert not through(tmp_path / "b.tif", tmp_path / "c.jpg")
    with Image.open(tmp_path / "c.jpg") as result:
        assert result.info["photoshop"][0x0404] == IPTC
    assert through(path, tmp_path / "b.png") == ["PNG holds no IPTC", "PNG holds no comment"]


def test_the_texts_of_a_png_are_kept_in_a_png_and_else_said(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "a title")
    info.add_text("Long", "words " * 99, zip=True)
    info.add_itxt("Place", "Şişli", "tr", "Yer")
    path = a_photo(tmp_path, "a.png", pnginfo=info)
    assert not through(path, tmp_path / "b.png")
    assert Image.open(tmp_path / "b.png").text == Image.open(path).text
    assert through(path, tmp_path / "b.jpg") == ["JPEG holds no PNG text"]


def test_bmp_says_all_that_it_cannot_hold(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = a_photo(tmp_path, "a.jpg", a_block(), xmp=XMP, icc_profile=profile)
    assert through(path, tmp_path / "b.bmp") == [f"BMP holds no {what}" for what in ("EXIF", "colour profile", "XMP")]


def test_blocks_that_have_no_place_are_said(tmp_path: Path) -> None:
    path = a_photo(tmp_path, "a.jpg", extra=struct.pack(">BBH", 0xFF, 0xEB, 6) + b"JUMB")
    assert through(path, tmp_path / "b.jpg") == ["its APP11 blocks are left out"]


def with_segments(path: Path, *segments: tuple[int, bytes]) -> Path:
    """The JPEG file with segments after its first bytes."""
    content = path.read_bytes()
    added = b"".join(struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data for marker, data in segments)
    path.write_bytes(content[:2] + added + content[2:])
    return path


PATH = b"8BIM" + struct.pack(">H", 2000) + b"\x07Outline" + struct.pack(">I", 26) + bytes(26)


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([(0xE2, b"FPXR\0" + bytes(30))], "APP2"),
        ([(0xFE, b"one"), (0xFE, b"two")], "earlier comment"),
        ([(0xED, b"Photoshop 3.0\0" + PATH)], "Photoshop path"),
    ],
)
def test_segments_like_kept_ones_are_reported(tmp_path: Path, segments: list[tuple[int, bytes]], message: str) -> None:
    path = with_segments(a_photo(tmp_path, "a.jpg"), *segments)
    assert through(path, tmp_path / "b.jpg") == [f"its {message} blocks are left out"]


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}])
def test_a_video_behind_a_jpeg_is_left_out_and_said(tmp_path: Path, options: dict[str, object]) -> None:
    path = a_photo(tmp_path, "a.jpg", a_block(), size=(310, 200), **options)
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(64))  # as some cameras fill their files up
    assert not through(path, tmp_path / "b.jpg")
    video = b"\0\0\0\x18ftypmp42" + bytes(range(1, 256)) * 9
    path.write_bytes(whole + video)
    said = f"the {len(video)} bytes that follow the picture in the file, such as a video, are left out"
    assert through(path, tmp_path / "b.jpg") == [said]
    assert b"ftyp" not in (tmp_path / "b.jpg").read_bytes()


@pytest.mark.parametrize("bits", [8, 16])
def test_pictures_and_paths_within_a_tiff_are_left_out_and_said(tmp_path: Path, bits: int) -> None:
    pixels = np.asarray(Image.open(COFFEE).resize((64, 48))).astype(f"uint{bits}")
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(pixels, photometric="rgb", subifds=2, extratags=[(34377, 1, len(PATH), PATH, True)])
        for step in (2, 4):
            writer.write(pixels[::step, ::step], photometric="rgb", subfiletype=1)
    assert through(tmp_path / "a.tif", tmp_path / "b.tif") == [
        "the 2 pictures below it in the file, such as smaller copies, are left out",
        "its Photoshop path blocks are left out",
    ]


def test_chunks_of_a_png_that_nobody_here_knows_are_said(tmp_path: Path) -> None:
    path = with_chunks(a_photo(tmp_path, "a.png"), (b"tIME", bytes(7)), (b"caBX", b"where it comes from"))
    assert through(path, tmp_path / "b.png") == ["its caBX blocks are left out"]


def test_the_name_of_a_chunk_may_be_any_bytes(tmp_path: Path) -> None:
    path = with_chunks(a_photo(tmp_path, "a.png"), (b"ab\r\n", b""), at=-12)  # Pillow takes it after the pixels only
    assert through(path, tmp_path / "b.png") == ["its ab?? blocks are left out"]


def test_exif_in_the_texts_of_a_png_is_kept(tmp_path: Path) -> None:
    block = b"Exif\0\0" + a_block(orientation=1)
    for keyword in ("exif", "APP1"):  # as ImageMagick wrote it in its time
        info = PngImagePlugin.PngInfo()
        info.add_text(f"Raw profile type {keyword}", f"\n{keyword}\n{len(block):8}\n{block.hex()}\n", zip=True)
        through(a_photo(tmp_path, "a.png", pnginfo=info), tmp_path / "b.png")
        with Image.open(tmp_path / "b.png") as result:
            kept = result.info.get("exif") or bytes.fromhex(result.text[f"Raw profile type {keyword}"].split("\n")[3])
        assert exif.without_prefix(kept).startswith(block[6:14])
        assert TEXTS[315] in kept


def test_the_layers_of_a_tiff_are_left_out_and_said(tmp_path: Path) -> None:
    path = a_photo(tmp_path, "a.tif")
    with path.open("rb+") as file:
        exif.add_to_tiff(file, b"", {exif.LAYERS: exif.undefined(b"the photo as it was")})
    assert through(path, tmp_path / "b.tif") == ["its layers are left out"]
    assert b"as it was" not in (tmp_path / "b.tif").read_bytes()


# ---------------------------------------------------------------- colours of PNG
def with_chunks(path: Path, *chunks: tuple[bytes, bytes], at: int = 33) -> Path:
    """The PNG file with chunks after its header, or elsewhere."""
    content = path.read_bytes()
    path.write_bytes(content[:at] + b"".join(chunk(name, data) for name, data in chunks) + content[at:])
    return path


CHROMATICITIES = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
SRGB = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)


@pytest.mark.parametrize(
    ("chunks", "reports"),
    [
        ([(b"gAMA", struct.pack(">I", 100_000))], True),
        ([(b"gAMA", struct.pack(">I", 45455)), (b"cHRM", CHROMATICITIES)], True),
        ([(b"cICP", bytes([9, 16, 0, 1]))], True),
        ([(b"gAMA", struct.pack(">I", 45455)), (b"cHRM", SRGB)], False),
        ([(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 45455))], False),
    ],
)
def test_what_colours_a_png_means_is_kept_in_a_png_and_else_said(
    tmp_path: Path, chunks: list[tuple[bytes, bytes]], reports: bool
) -> None:
    path = with_chunks(a_photo(tmp_path, "a.png"), *chunks)
    assert not through(path, tmp_path / "b.png")
    for name, data in chunks:
        assert name + data in (tmp_path / "b.png").read_bytes()
    said = through(path, tmp_path / "b.jpg")
    assert said == (["JPEG holds no gAMA, cHRM or cICP: colours may look different"] if reports else [])


# ---------------------------------------------------------------- HEIC and AVIF
@pytest.mark.parametrize(("codes", "kept"), [((9, 16), bytes([9, 16, 0, 1])), ((1, 13), b"")])
def test_bits_and_colours_of_a_heic_are_kept_or_said(tmp_path: Path, codes: tuple[int, int], kept: bytes) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pixels = np.asarray(Image.open(COFFEE).resize((64, 48))).astype(np.uint16) * 257
    picture = pillow_heif.from_bytes("RGB;16", (64, 48), pixels.tobytes())
    named = dict(zip(("color_primaries", "transfer_characteristics"), codes, strict=True))
    picture.save(tmp_path / "a.heic", quality=90, **named)
    assert through(tmp_path / "a.heic", tmp_path / "b.png") == ["its pixels are reduced to 8 bits"]
    assert (b"cICP" + kept in (tmp_path / "b.png").read_bytes()) == bool(kept)
    said = ["JPEG holds no gAMA, cHRM or cICP: colours may look different"] if kept else []
    assert through(tmp_path / "a.heic", tmp_path / "b.jpg") == ["its pixels are reduced to 8 bits", *said]


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, name) + content


DEPTH, ALPHA = b"urn:mpeg:hevc:2015:auxid:2\0", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"


@pytest.mark.parametrize(
    ("properties", "is_deep", "holds_others"),
    [
        (box(b"av1C", b"\x81\x00\x0c\0"), False, False),
        (box(b"av1C", b"\x81\x00\x4c\0"), True, False),
        (box(b"hvcC", bytes(17) + b"\xfa"), True, False),
        (box(b"hvcC", bytes(17) + b"\xf8") + box(b"auxC", bytes(4) + ALPHA), False, False),
        (box(b"hvcC", bytes(17) + b"\xf8") + box(b"auxC", bytes(4) + DEPTH), False, True),
    ],
)
def test_boxes_hold_bit_depth_and_auxiliary_pictures(properties: bytes, is_deep: bool, holds_others: bool) -> None:
    pixels = struct.pack(">I4sQ", 1, b"mdat", 16 + 40) + b"av1C\xff\xff\xff\xff".ljust(40)
    meta = box(b"meta", bytes(4) + box(b"iprp", box(b"ipco", properties)))
    facts = heif.read_facts(io.BytesIO(box(b"ftyp", b"avif") + pixels + meta))
    assert (facts.is_deep, facts.holds_others) == (is_deep, holds_others)


# ---------------------------------------------------------------- transparency of PNG
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_transparent_colour_of_a_png_stays(tmp_path: Path, channels: int, bits: int, orientation: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 2**bits, (9, 14, channels)).astype(f"uint{bits}")
    pixels[4, 5] = pixels[4, 6] = 99
    pixels[4, 6, 0] += 1  # in 16 bits, the same in the upper eight
    cv2.imwrite(str(tmp_path / "a.png"), pixels[..., ::-1])
    turn = exif.Directory({274: exif.Value(3, 1, struct.pack("<H", orientation))})
    block = exif.tiff_header("<", 8) + exif.directory_bytes(turn, "<", 8)
    path = with_chunks(tmp_path / "a.png", (b"tRNS", struct.pack(f">{channels}H", *[99] * channels)), (b"eXIf", block))
    assert not through(path, tmp_path / "b.png")
    result = read_photo_file(tmp_path / "b.png")
    upright = np.rot90(pixels, -1) if orientation == 6 else pixels
    assert np.array_equal(np.atleast_3d(result.pixels), upright)
    assert np.array_equal(result.alpha == 0, (upright == 99).all(axis=2))
    assert result.pixels.dtype == result.alpha.dtype == pixels.dtype
    with (tmp_path / "b.png").open("rb") as file:
        assert read_facts(file).bits == bits


# ---------------------------------------------------------------- JPEG
def test_subsampling_that_cannot_be_written_loses_nothing_more(tmp_path: Path) -> None:
    photo = cv2.imread(str(COFFEE))
    options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440, cv2.IMWRITE_JPEG_QUALITY, 90]
    cv2.imwrite(str(tmp_path / "a.jpg"), photo, options)
    through(tmp_path / "a.jpg", tmp_path / "b.jpg")
    with Image.open(tmp_path / "a.jpg") as before:
        before.save(tmp_path / "c.jpg", qtables=before.quantization, subsampling=2)
    before, after, reduced = (np.asarray(Image.open(tmp_path / f"{name}.jpg"), np.float32) for name in "abc")
    assert np.abs(before - after).mean() < 0.75 * np.abs(before - reduced).mean()


def test_a_jpeg_of_red_green_and_blue_stays_one(tmp_path: Path) -> None:
    Image.open(COFFEE).save(tmp_path / "a.jpg", quality=90, keep_rgb=True)
    through(tmp_path / "a.jpg", tmp_path / "b.jpg")
    before, after = (np.asarray(Image.open(tmp_path / name), np.float32) for name in ("a.jpg", "b.jpg"))
    assert np.abs(before - after).mean() < 0.1


# ---------------------------------------------------------------- several pictures
def test_a_file_of_several_pictures_says_how_many(tmp_path: Path) -> None:
    pages = [Image.open(COFFEE).resize((31, 20)).rotate(90 * number) for number in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "a.webp", save_all=True, append_images=pages[1:])
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((4, 20, 31), np.float32), photometric="minisblack", metadata=None)
    for name, count in (("a.tif", 3), ("a.webp", 3), ("b.tif", 4)):
        photo = read_photo_file(tmp_path / name)
        assert photo.count == count
        assert f"of its {count} pictures only the first is completed" in photo.losses
