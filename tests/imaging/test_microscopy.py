"""Photos from programs for microscopes: a result of one picture does not say that it holds several."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from onar.imaging.photo_file import read_photo_file, write_photo_file

RAMP = np.linspace(0.1, 0.9, 40)
GREY = np.outer(RAMP, RAMP)
DEEP = np.rint(GREY * 65535).astype(np.uint16)


def through(source: Path, target: Path) -> list[str]:
    photo = read_photo_file(source)
    return [*photo.losses, *write_photo_file(target, photo)]


def test_a_stack_of_imagej_becomes_one_picture_that_says_so(tmp_path: Path) -> None:
    metadata = {"axes": "ZYX", "unit": "um", "spacing": 2.0, "min": 0.0, "max": 60000.0}
    tifffile.imwrite(tmp_path / "a.tif", np.stack([DEEP] * 3), imagej=True, resolution=(4, 4), metadata=metadata)
    assert through(tmp_path / "a.tif", tmp_path / "b.tif") == ["of its 3 pictures only the first is completed"]
    with tifffile.TiffFile(tmp_path / "b.tif") as result:
        assert np.array_equal(result.asarray(), DEEP)
        said = result.imagej_metadata
        assert {"images", "slices", "loop", "hyperstack"}.isdisjoint(said)
        assert said["unit"] == "um"
        assert said["max"] == 60000  # the numbers are those that it is about
        assert (result.pages[0].get_resolution(), result.pages[0].resolutionunit) == ((4, 4), 1)


def test_floats_of_imagej_do_not_keep_a_range_that_would_make_their_result_white(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY.astype(np.float32), imagej=True, metadata={"min": 0.0, "max": 1.0})
    assert through(tmp_path / "a.tif", tmp_path / "b.tif") == ["its values of type float32 become integers of 16 bits"]
    with tifffile.TiffFile(tmp_path / "b.tif") as result:
        assert np.abs(result.asarray() / 65535 - GREY).max() < 1e-4
        assert {"min", "max"}.isdisjoint(result.imagej_metadata or {})


@pytest.mark.parametrize("kind", ["uint16", "float32"])
def test_a_file_of_ome_becomes_a_plain_one_and_that_is_reported(tmp_path: Path, kind: str) -> None:
    picture = DEEP if kind == "uint16" else GREY.astype(kind)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as writer:
        writer.write(np.stack([picture] * 3), photometric="minisblack", metadata={"axes": "ZYX", "PhysicalSizeX": 0.5})
    losses = through(tmp_path / "a.ome.tif", tmp_path / "b.ome.tif")
    assert losses[0] == "of its 3 pictures only the first is completed"
    assert "its microscopy blocks are left out" in losses
    with tifffile.TiffFile(tmp_path / "b.ome.tif") as result:
        assert not result.is_ome
        assert np.abs(result.asarray() / 65535 - GREY).max() < 1e-4


def test_shapes_that_tifffile_notes_are_those_of_the_result(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.stack([DEEP] * 3), photometric="minisblack")
    through(tmp_path / "a.tif", tmp_path / "b.tif")
    assert "ImageDescription" not in Image.open(tmp_path / "b.tif").tag_v2.named()
    assert tifffile.imread(tmp_path / "b.tif").shape == DEEP.shape


def test_a_description_by_a_person_stays(tmp_path: Path) -> None:
    text = json.dumps({"who": "Ayşe"}, ensure_ascii=False)
    tifffile.imwrite(tmp_path / "a.tif", DEEP, description=text.encode(), metadata=None)
    through(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as result:
        assert result.pages[0].description == text
