"""Files with damage outside the pixels are read as other programs read them, with a report."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onar.imaging.images import PhotoBytes, PhotoError, read_mask, read_photo
from onar.imaging.photo_file import read_photo_file, write_photo_file
from tests.conftest import PHOTOS
from tests.support.pictures import encode

COFFEE = Image.open(PHOTOS / "skimage_coffee.jpg").convert("RGB").resize((60, 44))
NO_END = "the end marker of its file is missing, but no pixels are"


def jpeg(**options: object) -> bytes:
    return encode(COFFEE, "JPEG", **options)


JPEGS = {
    "baseline": {},
    "grey channel apart": {"subsampling": 0},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 3},
    "restarts in progressive": {"restart_marker_blocks": 2, "progressive": True},
    "fine": {"quality": 100, "optimize": True},
}


@pytest.mark.parametrize("cut", [1, 2])
@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS)
def test_a_jpeg_without_its_end_is_read_and_that_is_reported(options: dict[str, object], cut: int) -> None:
    whole = jpeg(**options)
    photo = read_photo_file(PhotoBytes("a.jpg", whole[:-cut]))
    assert np.array_equal(photo.pixels, np.asarray(Image.open(io.BytesIO(whole))))
    assert photo.losses == (NO_END,)
    assert photo.jpeg == read_photo_file(PhotoBytes("a.jpg", whole)).jpeg
    assert np.array_equal(read_mask(PhotoBytes("a.jpg", whole[:-cut])), read_mask(PhotoBytes("a.jpg", whole)))


@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS)
def test_a_jpeg_that_lacks_pixels_is_refused_wherever_it_is_cut(options: dict[str, object]) -> None:
    whole = jpeg(**options)
    expected = np.asarray(Image.open(io.BytesIO(whole)))
    for cut in [*range(3, 40), *range(40, len(whole) - 20, 97)]:
        try:
            read = np.asarray(read_photo(PhotoBytes("a.jpg", whole[:-cut])))
        except PhotoError:
            continue
        assert np.array_equal(read, expected), cut  # the last bytes may be padding


def test_what_follows_a_jpeg_without_its_end_does_not_matter() -> None:
    photo = read_photo_file(PhotoBytes("a.jpg", jpeg()[:-2] + bytes(512)))
    assert np.array_equal(photo.pixels, np.asarray(Image.open(io.BytesIO(jpeg()))))


# ---------------------------------------------------------------- PNG
def png(mode: str = "RGB", **options: object) -> bytes:
    return encode(COFFEE.convert(mode), **options)


def chunk(name: bytes, content: bytes, is_damaged: bool = True) -> bytes:
    checksum = zlib.crc32(name + content) ^ is_damaged
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


TEXT = b"Comment\0hello"
CHUNKS = {
    "tEXt": TEXT, "iTXt": b"XML:com.adobe.xmp\0\0\0\0\0<x/>", "gAMA": struct.pack(">I", 100_000),
    "pHYs": struct.pack(">IIB", 9, 9, 1), "eXIf": b"II*\0" + bytes(8),
    "iCCP": b"a\0\0" + zlib.compress(b"no profile"), "tIME": bytes(7),
}  # fmt: skip


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("name", CHUNKS)
def test_a_damaged_chunk_that_no_pixel_needs_is_left_out_and_reported(tmp_path: Path, name: str, at_end: bool) -> None:
    plain, damaged = png(), chunk(name.encode(), CHUNKS[name])
    place = plain.index(b"IEND") - 4 if at_end else 33
    content = plain[:place] + chunk(b"tEXt", b"Title\0kept", False) + damaged + plain[place:]
    photo = read_photo_file(PhotoBytes("a.png", content))
    assert np.array_equal(photo.pixels, np.asarray(COFFEE))
    assert photo.losses == (f"its damaged {name} blocks are left out",)
    assert read_photo(PhotoBytes("a.png", content)).size == COFFEE.size
    write_photo_file(tmp_path / "b.png", photo)
    written = Image.open(tmp_path / "b.png")
    written.load()
    assert written.info == {"Title": "kept"}


def test_a_damaged_chunk_is_left_out_of_16_bits_too() -> None:
    values = np.arange(6 * 7, dtype=np.uint16).reshape(6, 7) * 1500
    content = encode(values)
    photo = read_photo_file(PhotoBytes("a.png", content[:33] + chunk(b"tEXt", TEXT) + content[33:]))
    assert np.array_equal(photo.pixels, values)


@pytest.mark.parametrize("mode", ["RGB", "P", "L"])
def test_a_png_that_is_cut_off_behind_its_pixels_is_read(mode: str) -> None:
    whole = png(mode)
    end = whole.index(b"IEND") - 4
    expected = np.asarray(COFFEE.convert(mode).convert("L" if mode == "L" else "RGB"))
    longer = whole[:end] + chunk(b"tEXt", TEXT, False) + whole[end:]
    for stop in range(end - 4, len(longer) + 1):  # within the last checksum of the pixels, the text, the end
        assert np.array_equal(read_photo_file(PhotoBytes("a.png", longer[:stop])).pixels, expected), stop


def test_a_png_that_lacks_pixels_is_refused() -> None:
    whole = png()
    for stop in range(200, whole.index(b"IEND") - 30, 97):
        with pytest.raises(PhotoError):
            read_photo(PhotoBytes("a.png", whole[:stop]))


def test_a_damaged_header_is_refused() -> None:
    whole = bytearray(png())
    whole[29] ^= 1
    with pytest.raises(PhotoError):
        read_photo(PhotoBytes("a.png", bytes(whole)))
