"""Fills of holes so deep that nothing known reaches some cells of the network's innermost map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from onar import Inpainter, PConvUNet
from onar.checkpoint import load_weights
from onar.inference.backends import OnnxBackend
from onar.models import pconv_unet
from onar.models.pyramid_fill import fill_unreached
from onar.weights.bundled import bundled_weights
from tests.conftest import PHOTOS

SIZES = [(1, 1), (2, 2), (1, 9), (9, 1), (4, 6), (16, 24)]
FILES = sorted(PHOTOS.glob("*.jpg"))
BLOCK = 4
"""Pixels a side of which cells know all or nothing in `cells`."""


def cells(height: int, width: int, kind: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    """Innermost maps of three photos that know one corner, about a third, and nothing; see `fill_unreached`."""
    torch.manual_seed(0)
    blocks = torch.zeros(3, 1, height, width)
    blocks[0, ..., -1, 0] = 1
    blocks[1] = torch.rand(height, width) < 0.3
    blocks[1, ..., 0, 0] = 1
    known = functional.max_pool2d(functional.pad(blocks, (1, 0, 1, 0)), 2, stride=1)
    x = (torch.randn(3, 5, height, width) * known).to(kind)
    return x, known, functional.interpolate(blocks, scale_factor=BLOCK)


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_unreached_cells_take_means_of_reached_ones_and_these_stay(height: int, width: int, kind: torch.dtype) -> None:
    x, known, known_pixels = cells(height, width, kind)
    filled, all_known = fill_unreached(x, known, known_pixels)
    assert filled.dtype == kind
    assert torch.equal(filled * known.to(kind), x)
    assert torch.equal(all_known[:, 0, 0, 0], torch.tensor([1.0, 1.0, 0.0]))
    assert all_known.shape == known.shape
    for number in (0, 1):
        reached = x[number][:, known[number, 0] > 0].float()
        # Means of half precision are rounded.
        slack = 2e-2 if kind != torch.float32 else 1e-6
        assert (filled[number].float().amax((1, 2)) <= reached.amax(1) + slack).all()
        assert (filled[number].float().amin((1, 2)) >= reached.amin(1) - slack).all()
    assert (filled[2] == 0).all(), "where nothing is known there are no means"


def test_the_fill_of_unreached_cells_is_differentiable() -> None:
    x, known, known_pixels = cells(3, 5)
    assert torch.autograd.gradcheck(lambda x: fill_unreached(x, known, known_pixels)[0], (x.double().requires_grad_(),))


def test_cells_that_know_little_fill_no_others() -> None:
    x, known = torch.tensor([[[[7.0, 5.0, 1.0, 1.0, 0.0]]]]), torch.tensor([[[[1.0, 1.0, 1.0, 1.0, 0.0]]]])
    known_pixels = torch.zeros(1, 1, 8, 40)
    known_pixels[..., 0, 0] = 1  # reaches the first two
    known_pixels[..., 16:24] = 1
    assert fill_unreached(x, known, known_pixels)[0].flatten().tolist() == [7, 5, 1, 1, 1]


def test_reached_innermost_cells_leave_results_and_gradients_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    photo, known = torch.rand(2, 3, 64, 96), torch.ones(2, 1, 64, 96)
    known[0, ..., 20:50, 30:] = 0
    found = []
    for fill in (fill_unreached, lambda x, known, _: (x, known)):
        monkeypatch.setattr(pconv_unet, "fill_unreached", fill)
        torch.manual_seed(0)
        network = PConvUNet(8, 4)
        completed = network(photo, known)
        completed.square().sum().backward()
        found.append([completed, *(parameter.grad for parameter in network.parameters())])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("precision", [None, torch.bfloat16])
def test_gradients_are_finite_where_cells_are_unreached(precision: torch.dtype | None) -> None:
    torch.manual_seed(0)
    network, photo, known = PConvUNet(8, 4), torch.rand(3, 3, 128, 96), torch.zeros(3, 1, 128, 96)
    known[0, ..., :9], known[1, ..., 100:, 90:] = 1, 1
    with torch.autocast("cpu", precision, enabled=precision is not None):
        completed = network(photo, known)
    completed.float().sum().backward()
    assert torch.isfinite(completed).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in network.parameters())


# ---------------------------------------------------------------- photos, borders, sizes
@cache
def bundled() -> tuple[nn.Module, OnnxBackend]:
    """The bundled network in PyTorch and in ONNX Runtime."""
    return load_weights(bundled_weights()).generator.eval(), OnnxBackend(bundled_weights(), "cpu", threads=1)


def photo_of(number: int, height: int, width: int, contrast: float = 1.0) -> Tensor:
    """A photo, 1×3×H×W; of less contrast, so that what leaves the range of what is known is not cut off at 0 or 1."""
    picture = Image.open(FILES[number]).convert("RGB").resize((width, height))
    return 0.5 + contrast * (torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255 - 0.5)


def left(known: Tensor, share: float) -> None:
    known[..., : int(share * known.shape[-1])] = 0


def bottom(known: Tensor, share: float) -> None:
    known[..., -int(share * known.shape[-2]) :, :] = 0


def corner(known: Tensor, share: float) -> None:
    known[..., : int(share * known.shape[-2]), -int(share * known.shape[-1]) :] = 0


def all_but_a_corner(known: Tensor, share: float) -> None:
    known[..., int((1 - share) * known.shape[-2]) :, :] = 0
    left(known, share)


def border_holes(height: int, width: int) -> Iterator[tuple[str, Tensor]]:
    """Known maps with holes at borders, by name."""
    holes: list[Callable[[Tensor, float], None]] = [left, bottom, corner, all_but_a_corner]
    for hole in holes:
        for share in (0.45, 0.67):
            known = torch.ones(1, 1, height, width)
            hole(known, share)
            yield f"{hole.__name__} {share}", known


def beyond(completed: Tensor, photo: Tensor, known: Tensor) -> float:
    """How far a completed photo goes beyond the range of what is known."""
    seen = photo[known.expand_as(photo) > 0]
    return max(float(completed.max() - seen.max()), float(seen.min() - completed.min()))


@pytest.mark.parametrize(("height", "width"), [(256, 384), (384, 256), (200, 200), (130, 450)])
def test_fills_at_borders_stay_in_the_range_of_what_is_known(height: int, width: int) -> None:
    _, backend = bundled()
    for contrast, most in ((1.0, 0.1), (0.5, 0.15)):
        for number in (0, 7):
            photo = photo_of(number, height, width, contrast)
            for name, known in border_holes(height, width):
                completed = torch.from_numpy(backend.run(photo.numpy(), known.numpy()))
                assert beyond(completed, photo, known) < most, (contrast, number, name)


def test_torch_and_onnx_agree_where_cells_are_unreached() -> None:
    network, backend = bundled()
    holes = [known for _, known in border_holes(200, 330)]
    known = torch.cat([*holes[1::2], torch.zeros_like(holes[0])])  # as one batch, and one that knows nothing
    photo = photo_of(4, 200, 330).expand(len(known), -1, -1, -1) * known
    with torch.no_grad():
        assert backend.run(photo.numpy(), known.numpy()) == pytest.approx(network(photo, known).numpy(), abs=1e-4)


@pytest.mark.parametrize("texture", ["network", "auto"])
def test_a_photo_of_which_a_third_is_known_has_no_stripes(texture: str) -> None:
    inpainter = Inpainter(bundled()[1], 256)
    hole = np.zeros((256, 384), bool)
    hole[:, :256] = True
    for number in (2, 9):
        photo = np.rint(photo_of(number, 256, 384, 0.5)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
        fill = inpainter.complete(photo, hole, texture=texture)[:, :256].astype(float)
        known = photo[:, 256:].astype(float)
        assert known.min() - 30 < fill.min() <= fill.max() < known.max() + 30
        # Bars along the far border: columns that differ more from the next than a photo's do.
        assert np.abs(np.diff(fill[:, :64].mean(axis=(0, 2)))).max() < 10
