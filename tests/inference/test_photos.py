"""The pipeline that files and uploads share: a photo, its mask, the fill, and notes for the user."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onar.completion.config import CompletionConfig
from onar.completion.in_process import complete_files
from onar.completion.plan import Job
from onar.errors import UsageError
from onar.imaging.photo_file import Photo, read_photo_file
from onar.inference.holes import SizesDifferError
from onar.inference.inpainter import Inpainter
from onar.inference.photos import MaskedPhoto, MaskOptions, mask_erased_photo, mask_photo, read_holes
from onar.serve.completing import complete_upload
from onar.serve.config import ServeConfig
from onar.serve.http.uploads import Upload
from onar.serve.weights import WeightsShelf
from tests.support.pictures import a_hole, a_photo, encode

MASK = a_hole().astype(np.uint8) * 255


def saved(folder: Path, name: str = "a.jpg", mode: str = "RGB") -> Photo:
    a_photo().convert(mode).save(folder / name)
    return read_photo_file(folder / name)


def grey(pixels: np.ndarray, hole: np.ndarray) -> np.ndarray:
    return np.where(hole[..., None], np.uint8(128), pixels)


def masked(photo: Photo, mask: np.ndarray = MASK, kind: str = "JPEG") -> MaskedPhoto:
    return mask_photo(photo, read_holes(mask, MaskOptions()), kind)


def test_only_holes_are_filled(tmp_path: Path) -> None:
    photo = saved(tmp_path)
    filled = masked(photo).fill(grey)
    assert np.array_equal(filled.pixels, grey(photo.pixels, a_hole()))
    assert filled.metadata == photo.metadata


def test_a_photo_without_a_hole_is_unchanged_only_in_its_own_format(tmp_path: Path) -> None:
    photo = saved(tmp_path, mode="CMYK")
    empty = np.zeros_like(MASK)
    assert masked(photo, empty).is_unchanged
    assert not masked(photo, empty, kind="PNG").is_unchanged
    assert not masked(photo).is_unchanged
    assert [note.split(":")[0] for note in masked(photo, empty).notes] == ["the mask has no hole"]
    assert masked(photo).notes == ["CMYK becomes RGB"]


def test_erased_pixels_are_the_hole_of_an_opaque_photo(tmp_path: Path) -> None:
    picture = a_photo().convert("RGBA")
    picture.putalpha(Image.fromarray(255 - MASK))
    picture.save(tmp_path / "a.png")
    erased = mask_erased_photo(read_photo_file(tmp_path / "a.png"), "PNG", MaskOptions())
    assert erased.photo.alpha is None
    assert np.array_equal(erased.hole, a_hole())
    with pytest.raises(UsageError, match="so --mask alpha finds no hole"):
        mask_erased_photo(saved(tmp_path), "PNG", MaskOptions(prefix="--"))


def test_photo_and_mask_of_different_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SizesDifferError, match=r"m\.png is 48 x 64 pixels, the photo 64 x 48"):
        mask_photo(saved(tmp_path), read_holes(MASK.T, MaskOptions()), "PNG", "m.png")


@pytest.mark.parametrize(
    ("name", "mode", "mask"),
    [
        ("a.jpg", "RGB", MASK),
        ("a.jpg", "CMYK", 255 - MASK),  # a loss in reading, and a doubt
        ("a.png", "RGBA", MASK),
        ("a.jpg", "RGB", np.zeros_like(MASK)),
    ],
)
@pytest.mark.parametrize("wanted", ["same", "png", "jpeg"])
def test_files_and_uploads_get_one_result(tmp_path: Path, name: str, mode: str, mask: np.ndarray, wanted: str) -> None:
    saved(tmp_path, name, mode)
    Image.fromarray(mask).save(tmp_path / "m.png")
    ending = Path(name).suffix if wanted == "same" else {"png": ".png", "jpeg": ".jpg"}[wanted]
    job = Job(tmp_path / name, tmp_path / "m.png", tmp_path / f"b{ending}")
    (outcome,) = complete_files([job], Inpainter.load("pyramid"), CompletionConfig())
    upload = Upload(photo=(tmp_path / name).read_bytes(), mask=encode(mask), format=wanted)
    answer = complete_upload(upload, WeightsShelf("pyramid"), ServeConfig())
    assert outcome.error is None
    assert job.output.read_bytes() == answer.content
    notes = "; ".join(note.removeprefix(f"{job.photo}: ") for note in outcome.notes)
    assert notes.replace("--", "") == answer.headers.get("Onar-Notes", "")
