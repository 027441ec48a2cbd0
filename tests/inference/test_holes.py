import numpy as np
import pytest

from onar.inference.holes import SIGHT, fill_visible


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_transparent_pixels_are_unknown_as_far_as_a_network_looks(bits: int) -> None:
    kind = np.uint8 if bits == 8 else np.uint16
    pixels = np.full((40, 3 * SIGHT, 3), 2**bits - 1, kind)
    alpha = np.full(pixels.shape[:2], np.iinfo(kind).max, kind)
    alpha[:, 100:] = 0
    pixels[:, 100:] = 7
    hole = np.zeros(alpha.shape, bool)
    hole[10:20, 90:110] = True
    seen = []

    def complete(photo: np.ndarray, unknown: np.ndarray) -> np.ndarray:
        seen.append((photo, unknown))
        return np.full_like(photo, np.iinfo(kind).max)

    filled = fill_visible(pixels, alpha, hole, complete)
    ((photo, unknown),) = seen
    assert unknown[10:20, 90:100].all()
    assert unknown[:, 100 : 90 + SIGHT].all()
    assert not unknown[:, 100 + SIGHT :].any()
    assert not unknown[:, :90].any()
    assert photo[0, 0, 0] >= np.iinfo(kind).max - 16  # a white of 12 bits is nearly that of 16
    assert (filled[10:20, 90:100] == 2**bits - 1).all()
    assert np.array_equal(filled[:, 100:], pixels[:, 100:])


def test_a_hole_that_nobody_sees_is_not_filled() -> None:
    pixels, alpha = np.full((4, 4), 9, np.uint8), np.zeros((4, 4), np.uint8)
    assert fill_visible(pixels, alpha, np.ones((4, 4), bool), lambda *_: pytest.fail("filled")) is pixels
