"""A result has the resolution of its file, and none if the file has none."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from onar.imaging.formats.resolution import whole_numbers
from onar.imaging.photo_file import read_photo_file, write_photo_file
from tests.imaging.test_metadata import COFFEE
from tests.support.pictures import encode

X, Y, UNIT = 0x011A, 0x011B, 0x0128


def picture() -> Image.Image:
    return Image.open(COFFEE).resize((31, 20))


def jpeg(folder: Path, jfif: tuple[int, int, int] | None = None, exif: tuple[int, int, int] | None = None) -> Path:
    """A photo with the unit and two numbers of JFIF, and the two numbers and the unit of EXIF."""
    block = Image.Exif()
    if exif:
        block[X], block[Y], block[UNIT] = IFDRational(exif[0]), IFDRational(exif[1]), exif[2]
    content = encode(picture(), "JPEG", exif=block)
    content = content[:13] + struct.pack(">BHH", *jfif) + content[18:] if jfif else content[:2] + content[20:]
    (folder / "a.jpg").write_bytes(content)
    return folder / "a.jpg"


def through(source: Path, ending: str) -> Path:
    target = source.with_name(f"b{ending}")
    write_photo_file(target, read_photo_file(source))
    return target


def jfif_of(path: Path) -> tuple[int, int, int]:
    with Image.open(path) as image:
        return image.info["jfif_unit"], *image.info["jfif_density"]


def tiff_of(path: Path) -> tuple[object, ...]:
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        return tuple(tags.valueof(tag) for tag in (X, Y, UNIT))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"jfif": (0, 1, 1)}, (0, 1, 1)),
        ({"jfif": (0, 4, 3)}, (0, 4, 3)),
        ({"jfif": (1, 300, 240)}, (1, 300, 240)),
        ({"jfif": (2, 100, 100)}, (1, 254, 254)),
        ({"jfif": (0, 1, 1), "exif": (1, 1, 1)}, (0, 1, 1)),
        ({"exif": (1, 1, 1)}, (0, 1, 1)),
        ({"exif": (4, 3, 1)}, (0, 4, 3)),
        ({"exif": (300, 240, 2)}, (1, 300, 240)),
        ({"exif": (100, 100, 3)}, (1, 254, 254)),
        ({"jfif": (0, 1, 1), "exif": (300, 240, 2)}, (1, 300, 240)),
        ({"jfif": (1, 72, 72), "exif": (300, 300, 2)}, (1, 72, 72)),
        ({"exif": (0, 0, 2)}, (0, 1, 1)),
        ({}, (0, 1, 1)),
    ],
)
def test_a_jpeg_keeps_what_it_says_of_its_resolution(
    tmp_path: Path, said: dict[str, tuple[int, int, int]], expected: tuple[int, int, int]
) -> None:
    source = jpeg(tmp_path, **said)
    assert jfif_of(through(source, ".jpg")) == expected
    unit, across, down = expected
    in_tiff = tiff_of(through(source, ".tif"))
    if expected == (0, 1, 1):
        assert in_tiff == (None, None, None)
    else:
        assert in_tiff == ((across, 1), (down, 1), unit + 1)
    with Image.open(through(source, ".png")) as written:
        dpi, aspect = written.info.get("dpi"), written.info.get("aspect")
    assert dpi == (pytest.approx((across, down), abs=0.02) if unit else None)
    assert aspect == ((across, down) if not unit and across != down else None)


@pytest.mark.parametrize("tags", [None, ((1, 1), (1, 1), 1), ((4, 1), (3, 1), 1), ((300, 1), (300, 1), 2)])
def test_a_tiff_keeps_its_resolution(tmp_path: Path, tags: tuple[tuple[int, int], tuple[int, int], int] | None) -> None:
    if tags is None:
        picture().save(tmp_path / "a.tif")
    else:
        said = {"resolution": tags[:2], "resolutionunit": tags[2]}
        tifffile.imwrite(tmp_path / "a.tif", np.asarray(picture()), metadata=None, **said)
    assert tiff_of(through(tmp_path / "a.tif", ".tif")) == (tags or (None, None, None))


@pytest.mark.parametrize("unit", [0, 1])
def test_a_png_keeps_what_it_says_of_its_resolution(tmp_path: Path, unit: int) -> None:
    content = bytearray(encode(picture(), dpi=(300, 150)))
    at = content.index(b"pHYs")
    content[at + 12] = unit
    content[at + 13 : at + 17] = struct.pack(">I", zlib.crc32(content[at : at + 13]))
    (tmp_path / "a.png").write_bytes(content)
    with Image.open(tmp_path / "a.png") as before, Image.open(through(tmp_path / "a.png", ".png")) as after:
        assert after.info == before.info
    assert jfif_of(through(tmp_path / "a.png", ".jpg")) == ((1, 300, 150) if unit else (0, 11811, 5906))


@pytest.mark.parametrize(
    ("aspect", "most", "expected"),
    [
        ((4, 3), 65535, (4, 3)),
        ((0.5, 1.5), 65535, (1, 3)),
        ((1e6, 2e6), 65535, (1, 2)),
        ((1e9, 1.0), 65535, (65535, 1)),
    ],
)
def test_an_aspect_becomes_fitting_integers(aspect: tuple[float, float], most: int, expected: tuple[int, int]) -> None:
    across, down = whole_numbers((float(aspect[0]), float(aspect[1])), most)
    assert (across, down) == pytest.approx(expected, abs=1)
