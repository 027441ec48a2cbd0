"""Masks of other sizes and kinds, as the command takes them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.completion.test_completion import hole_of, photo_of, run, save_mask


def test_a_mask_of_half_the_size_is_resized_on_demand_with_a_note(tmp_path: Path) -> None:
    photo_of(48, 72).save(tmp_path / "a.png")
    half = hole_of(24, 36)
    arguments = tmp_path / "a.png", "--mask", save_mask(tmp_path / "m.png", half), "--output", tmp_path / "b.png"
    said = run(*arguments, code=1)
    assert "m.png is 36 x 24 pixels, the photo 72 x 48" in said.err
    assert "--resize_mask" in said.err
    assert "its mask of 36 x 24 pixels is resized to 72 x 48 pixels" in run(*arguments, "--resize_mask").err
    full = save_mask(tmp_path / "full.png", np.kron(half, np.ones((2, 2), bool)))
    run(tmp_path / "a.png", "--mask", full, "--output", tmp_path / "c.png")
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "c.png").read_bytes()


def test_one_mask_is_resized_for_photos_of_several_sizes_but_not_to_other_proportions(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name, size in (("a", (24, 36)), ("b", (48, 72)), ("c", (12, 18)), ("d", (48, 36))):
        photo_of(*size).save(tmp_path / "photos" / f"{name}.png")
    mask = save_mask(tmp_path / "m.png", hole_of(24, 36))
    options = "--output", tmp_path / "out", "--resize_mask", "--dilate", 1
    said = run(tmp_path / "photos", "--mask", mask, *options, code=1)
    assert said.err.count("is resized to") == 2
    assert "d.png: " in said.err
    assert "its proportions differ" in said.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize("colour", ["black", "red", "white"])
def test_strokes_on_a_transparent_layer_are_filled(tmp_path: Path, colour: str) -> None:
    photo, hole = photo_of(24, 36), hole_of(24, 36)
    photo.save(tmp_path / "a.png")
    layer = Image.new("RGBA", photo.size)
    layer.paste(colour, (0, 0), Image.fromarray(hole))
    layer.save(tmp_path / "m.png")
    run(tmp_path / "a.png", "--mask", tmp_path / "m.png", "--output", tmp_path / "b.png")
    changed = (np.asarray(Image.open(tmp_path / "b.png")) != np.asarray(photo)).any(axis=2)
    assert not changed[~hole].any()
    assert changed[hole].mean() > 0.9


def test_a_soft_eraser_leaves_no_rim_in_the_result(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:64, :96]
    distance = np.hypot(rows - 32, columns - 48)
    picture = np.full((64, 96, 4), 200, np.uint8)
    picture[distance < 20, :3] = 0  # what is to go; its rim is half erased
    picture[..., 3] = np.clip((distance - 14) * 25, 0, 255)
    Image.fromarray(picture).save(tmp_path / "a.png")
    run(tmp_path / "a.png", "--mask", "alpha", "--output", tmp_path / "b.png")
    assert np.abs(np.asarray(Image.open(tmp_path / "b.png")).astype(int) - 200).max() <= 1
