"""Small files that would take minutes, or fill a memory, if a decoder simply got them."""

import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onar.imaging.formats.jpeg import MAX_SCANS
from onar.imaging.images import PhotoBytes, PhotoError, open_photo, read_mask, read_photo
from onar.imaging.photo_file import read_photo_file
from tests.imaging.test_tiff import write_by_hand
from tests.support.pictures import chunk, encode

CPU_SECONDS = 10
"""Files that would take minutes are refused or read in far less."""


def encoded(kind: str, height: int = 16, width: int = 16, mode: str = "L", **options: object) -> bytes:
    return encode(Image.new(mode, (width, height), 100 if mode == "L" else (10, 20, 30)), kind, **options)


def with_segments(segments: bytes) -> bytes:
    jpeg = encoded("JPEG")
    return jpeg[:20] + segments + jpeg[20:]  # after JFIF


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def with_chunks(chunks: bytes) -> bytes:
    png = encoded("PNG")
    return png[:33] + chunks + png[33:]


def of_scans(count: int, height: int = 16, width: int = 16, arithmetic: bool = False) -> bytes:
    """A progressive file with N further scans, all empty."""
    jpeg = encoded("JPEG", height, width, progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    content = jpeg[:-2] + (jpeg[last : last + 10] + b"\0") * (count - jpeg.count(b"\xff\xda")) + b"\xff\xd9"
    return content.replace(b"\xff\xc2", b"\xff\xca", 1) if arithmetic else content


def of_repeated_channels(count: int) -> bytes:
    """A file that is not progressive and holds each channel again and again."""
    jpeg = encoded("JPEG", 4000, 6000, "RGB", subsampling=0)
    scans = [b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1 + at % 3, 0, 0, 63, 0) for at in range(count)]
    return jpeg[: jpeg.index(b"\xff\xda")] + b"".join(scans) + b"\xff\xd9"


def overlapping_exif(entries: int = 20_000, size: int = 300_000) -> bytes:
    """EXIF whose values are each the whole of it."""
    tags = b"".join(struct.pack("<HHII", 1000 + at, 7, size - 100, 50) for at in range(entries))
    return (b"II*\0" + struct.pack("<IH", 8, entries) + tags + bytes(4)).ljust(size, b"\0")


def many_exif_segments() -> bytes:
    block = overlapping_exif()
    parts = [block[at : at + 65_000] for at in range(0, len(block), 65_000)]
    return b"".join(segment(0xE1, b"Exif\0\0" + part) for part in parts)


def with_its_exif_exchanged(kind: str) -> bytes:
    """A file that holds `overlapping_exif`, which Pillow would not write in a moment."""
    hostile = overlapping_exif()
    harmless = b"II*\0" + struct.pack("<IH", 8, 0).ljust(len(hostile) - 4, b"\0")
    return encoded(kind, mode="RGB", exif=harmless).replace(harmless, hostile)


def run_lengths(height: int, width: int) -> bytes:
    """A BMP file whose rows end after one pixel."""
    data = b"\1\5\0\0" * height + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(data), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 14 + 40 + 1024 + len(data), 0, 0, 14 + 40 + 1024) + header + bytes(1024) + data


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "scans.jpg": (lambda: of_scans(2000, 4000, 6000), "scans"),
    "arithmetic_scans.jpg": (lambda: of_scans(2000, 4000, 6000, arithmetic=True), "scans"),
    "channels.jpg": (lambda: of_repeated_channels(2000), "scans"),
    "segments.jpg": (lambda: with_segments(segment(0xE1, b"Exif\0\0a") * 30_000), "segments"),
    "exif.jpg": (lambda: with_segments(many_exif_segments()), "overlap"),
    "exif.avif": (lambda: with_its_exif_exchanged("AVIF"), "overlap"),
    "rows.bmp": (lambda: run_lengths(4000, 6000), "rows end early"),
    "chunks.png": (lambda: with_chunks(chunk(b"teSt", b"") * 200_000), "chunks"),
}
READ: dict[str, Callable[[], bytes]] = {
    "exif.png": lambda: with_chunks(chunk(b"eXIf", overlapping_exif())),
    "exif.webp": lambda: with_its_exif_exchanged("WEBP"),
    "profiles.png": lambda: with_chunks(chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1_000_000))) * 2000),
    "thumbnails.png": lambda: with_chunks(
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"<xmp:Thumbnails>" * 20_000)
    ),
    "thumbnails.jpg": lambda: with_segments(
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"<xmp:Thumbnails>" * 4000)
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_small_file_that_would_take_long_is_refused_before_it_is_decoded(name: str) -> None:
    make, reason = REFUSED[name]
    source = PhotoBytes(name, make())
    for read in (read_photo_file, read_mask, read_photo):
        with pytest.raises(PhotoError, match=reason) as caught:
            read(source)
        assert str(caught.value).startswith(f"{name}: it")


@pytest.mark.parametrize("name", READ)
def test_a_file_that_says_far_too_much_is_read_at_once(name: str) -> None:
    source = PhotoBytes(name, READ[name]())
    for read in (read_photo_file, read_mask, read_photo):
        start = time.process_time()
        read(source)
        assert time.process_time() - start < CPU_SECONDS


def test_a_tiff_file_whose_tags_overlap_is_refused(tmp_path: Path) -> None:
    path = write_by_hand(tmp_path / "a.tif", bytes(300_000), **{f"t{tag}": 0 for tag in range(40_000, 44_000)})
    content = bytearray(path.read_bytes())
    for at in range(content.index(struct.pack("<HHI", 40_000, 4, 1)), len(content) - 12, 12):
        struct.pack_into("<HII", content, at + 2, 7, 290_000, 8)
    with pytest.raises(PhotoError, match="their values overlap"):
        read_photo(PhotoBytes("a.tif", bytes(content)))


def test_as_many_scans_as_are_allowed_are_read() -> None:
    assert read_photo(PhotoBytes("a.jpg", of_scans(MAX_SCANS))).size == (16, 16)
    with pytest.raises(PhotoError, match="over 100 scans"), open_photo(PhotoBytes("a.jpg", of_scans(MAX_SCANS + 1))):
        pass


def test_scans_of_further_pictures_in_a_file_do_not_count() -> None:
    one = of_scans(MAX_SCANS)
    assert read_photo_file(PhotoBytes("a.jpg", one + one)).pixels.shape == (16, 16)


def test_run_lengths_as_programs_write_them_are_read() -> None:
    rows = b"".join(bytes([6, at, 0, 0]) for at in range(5)) + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, 6, 5, 1, 8, 1, len(rows), 0, 0, 0, 0)
    palette = b"".join(bytes([at, at, at, 0]) for at in range(256))
    content = b"BM" + struct.pack("<IHHI", 14 + 40 + 1024 + len(rows), 0, 0, 14 + 40 + 1024) + header + palette + rows
    assert np.asarray(read_photo(PhotoBytes("a.bmp", content)))[:, 0, 0].tolist() == [4, 3, 2, 1, 0]
