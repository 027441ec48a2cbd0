"""Inputs of a generator: wrong shapes and ranges are named in one line, right ones are never refused."""

import re

import numpy as np
import pytest
import torch
from torch import Tensor

from onar.models import PConvUNet

NETWORK = PConvUNet(4, 3).eval()
PHOTO = torch.full((2, 3, 16, 24), 0.5)
KNOWN = torch.ones(2, 1, 16, 24)


def refusal_of(photo: Tensor, known: Tensor, network: PConvUNet = NETWORK) -> str:
    """The message about wrong inputs, which is one line, the same in training where no values are read."""
    with torch.no_grad(), pytest.raises(ValueError, match=r"^[^\n]+\Z") as error:
        network(photo, known)
    return str(error.value)


@pytest.mark.parametrize(
    ("photo", "known", "said"),
    [
        (PHOTO[0], KNOWN, "photo must be B×3×H×W in [0, 1], not 3×16×24"),
        (PHOTO[:, :1], KNOWN, "photo must be B×3×H×W in [0, 1], not 2×1×16×24"),
        (PHOTO.byte(), KNOWN, "divide it by 255"),
        (PHOTO, KNOWN[0], "known must be B×1×H×W, here 2×1×16×24, not 1×16×24: 1 = known, 0 = hole (known = 1 - mask)"),
        (PHOTO, KNOWN.expand(-1, 3, -1, -1), "not 2×3×16×24: 1 = known, 0 = hole"),
        (PHOTO, KNOWN[..., :-1], "not 2×1×16×23"),
        (PHOTO, KNOWN.expand(2, 1, 16, 24).repeat(2, 1, 1, 1), "not 4×1×16×24"),
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_a_wrong_shape_is_refused_in_training_too(photo: Tensor, known: Tensor, said: str, training: bool) -> None:
    assert said in refusal_of(photo, known, PConvUNet(4, 3).train(training))


@pytest.mark.parametrize(
    ("photo", "known", "said"),
    [
        (PHOTO, 255 * KNOWN, "known must be in [0, 1], not from 255 to 255: 1 = known, 0 = hole (known = 1 - mask)"),
        (PHOTO, 2 * KNOWN - 3, "not from -1 to -1"),
        (255 * PHOTO, KNOWN, "photo must be in [0, 1], not from 127.5 to 127.5"),
        (PHOTO - 1.5, KNOWN, "photo must be in [0, 1], not from -1 to -1"),
    ],
)
def test_a_wrong_range_is_refused(photo: Tensor, known: Tensor, said: str) -> None:
    assert said in refusal_of(photo, known)


def test_a_mask_of_bytes_is_refused_in_training_too() -> None:
    with pytest.raises(ValueError, match=r"not from 0 to 255"):
        PConvUNet(4, 3)(PHOTO, (255 * (torch.rand(KNOWN.shape) > 0.5)).byte())


def test_an_inverted_mask_is_reported_where_it_shows() -> None:
    hole = torch.zeros_like(KNOWN)
    hole[..., 4:9, 5:9] = 1
    with torch.no_grad(), pytest.warns(UserWarning, match=r"is the mask inverted\? 1 = known"):
        NETWORK(PHOTO * (1 - hole), hole)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", range(8))
def test_right_inputs_of_any_size_kind_and_content_are_taken(seed: int) -> None:
    rng = np.random.default_rng(seed)
    batch, height, width = rng.integers(1, 3), *rng.integers(1, 40, 2)
    known = torch.from_numpy((rng.random((rng.choice([1, batch]), 1, height, width)) < rng.random()).astype(np.float32))
    photo = torch.from_numpy(rng.random((batch, 3, height, width), np.float32)) * float(rng.random() < 0.8)
    for garbage in (0.0, float("nan"), float("inf"), 1e9):
        filled = photo.where(known > 0, garbage) if photo.any() else photo
        expected = NETWORK(photo * known, known)
        with torch.no_grad():
            for kind in (torch.float32, torch.float64, torch.uint8, torch.bool):
                assert torch.equal(NETWORK(filled, known.to(kind)), expected)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::torch.jit.TracerWarning")
def test_values_are_not_read_while_a_graph_is_traced() -> None:
    with torch.no_grad():
        torch.jit.trace(NETWORK, (PHOTO, 255 * KNOWN), check_trace=False)


def test_the_message_names_the_channels_of_the_network() -> None:
    assert re.search("B×1×H×W", refusal_of(PHOTO, KNOWN, PConvUNet(4, 3, channels=1).eval()))
