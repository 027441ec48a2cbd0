"""Raw files of cameras are refused by name, or by what they hold, because the picture in them is a preview."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from onar.errors import OnarError
from onar.imaging.images import NotAPhotoError, read_mask, read_photo
from onar.imaging.listing import list_photos
from onar.imaging.photo_file import read_photo_file

PREVIEW, SENSOR = np.full((35, 50, 3), 90, np.uint8), np.full((140, 200), 900, np.uint16)
CFA, LINEAR_RAW = 32803, 34892


def write_raw(path: Path, is_dng: bool = False, inner: int | None = None, photometric: str | int = "rgb") -> Path:
    version = [(50706, "B", 4, bytes([1, 4, 0, 0]), True)] if is_dng else []
    with tifffile.TiffWriter(path) as writer:
        pixels = PREVIEW if photometric == "rgb" else SENSOR
        writer.write(pixels, photometric=photometric, extratags=version, subifds=int(inner is not None), metadata=None)
        if inner is not None:
            developed = np.dstack([SENSOR] * 3) if inner == LINEAR_RAW else SENSOR
            writer.write(developed, photometric=inner, metadata=None)
    return path


@pytest.mark.parametrize("name", ["a.dng", "a.DNG", "a.tif"])
@pytest.mark.parametrize("inner", [None, CFA, LINEAR_RAW])
def test_a_dng_is_refused_whatever_its_name(tmp_path: Path, name: str, inner: int | None) -> None:
    path = write_raw(tmp_path / name, is_dng=True, inner=inner)
    for read in (read_photo_file, read_mask, read_photo):
        with pytest.raises(NotAPhotoError) as caught:
            read(path)
        advice = "export TIFF, PNG or JPEG from a raw converter"
        assert str(caught.value) == f"{path}: a camera's raw file (DNG), not developed yet: {advice}"


@pytest.mark.parametrize("name", ["a.nef", "a.ARW", "a.cr2", "a.pef", "a.dng"])
def test_a_tiff_file_with_the_ending_of_a_raw_file_is_refused_by_that(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotAPhotoError, match=rf"raw file \({name[2:].upper()}\), not developed yet"):
        read_photo(write_raw(tmp_path / name))


@pytest.mark.parametrize("options", [{"inner": CFA}, {"inner": LINEAR_RAW}, {"photometric": CFA}])
def test_pixels_of_a_sensor_are_found_below_their_preview(tmp_path: Path, options: dict[str, int]) -> None:
    with pytest.raises(NotAPhotoError, match="raw file, not developed yet"):
        read_photo(write_raw(tmp_path / "a.tif", **options))


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a.cr2", b"II*\0\x10\0\0\0CR\x02\0"),
        ("a.cr3", b"\0\0\0\x18ftypcrx \0\0\0\1"),
        ("a.raf", b"FUJIFILMCCD-RAW 0201"),
        ("a.rw2", b"IIU\0\x18\0\0\0"),
        ("a.orf", b"IIRO\x08\0\0\0"),
        ("a.x3f", b"of an unknown kind"),
    ],
)
def test_raw_files_other_than_tiff_files_are_recognised(tmp_path: Path, name: str, start: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(start.ljust(400, b"\0"))
    with pytest.raises(NotAPhotoError, match="export TIFF, PNG or JPEG from a raw converter"):
        read_photo(path)


def test_a_smaller_copy_below_a_photo_is_no_raw_file(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(PREVIEW, photometric="rgb", subifds=1, metadata=None)
        writer.write(PREVIEW[::2, ::2], photometric="rgb", metadata=None)
    assert read_photo(tmp_path / "a.tif").size == (50, 35)


def test_a_jpeg_is_read_whatever_its_ending(tmp_path: Path) -> None:
    Image.fromarray(PREVIEW).save(tmp_path / "a.dng", "JPEG")
    assert read_photo(tmp_path / "a.dng").size == (50, 35)


def test_raw_files_among_photos_are_reported_with_advice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_raw(tmp_path / "a.dng", is_dng=True)
    with pytest.raises(OnarError, match=r"1 \.dng, raw files: export TIFF, PNG or JPEG from a raw converter"):
        list_photos(tmp_path)
    Image.fromarray(PREVIEW).save(tmp_path / "b.png")
    assert len(list_photos(tmp_path)) == 1
    assert "1 .dng, raw files: export TIFF" in capsys.readouterr().err
