import numpy as np
import pytest
import torch

from onar.fills.pyramid import fill_frame
from onar.models.pyramid_fill import pyramid_fill


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (37, 20), (64, 64), (111, 173)])
def test_arrays_are_filled_with_the_same_numbers_as_tensors(size: tuple[int, int], rng: np.random.Generator) -> None:
    known = (rng.random(size) < 0.6).astype(np.float32)
    known[size[0] // 4 : size[0] // 2] = 0
    photo = rng.random((*size, 3), np.float32) * known[..., None]
    expected = pyramid_fill(torch.from_numpy(photo).permute(2, 0, 1)[None], torch.from_numpy(known)[None, None])
    assert fill_frame(photo, known) == pytest.approx(expected[0].permute(1, 2, 0).numpy(), abs=2e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_lies_under_the_hole_changes_nothing(value: float, rng: np.random.Generator) -> None:
    known = (rng.random((37, 20)) < 0.6).astype(np.float32)
    photo = rng.random((37, 20, 3), np.float32)
    poisoned = np.where(known[..., None] == 1, photo, np.float32(value))
    assert np.array_equal(fill_frame(poisoned, known), fill_frame(photo * known[..., None], known))
