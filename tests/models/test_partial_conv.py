"""Properties of the partial convolution: DESIGN of Liu et al. 2018, section 3.1."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from onar.models.partial_conv import PHASE_TAPS, PartialConv2d, UpPartialConv2d, phase_kernel


def random_known(*shape: int, share: float = 0.6) -> Tensor:
    return (torch.rand(shape) < share).float()


def reference(x: Tensor, known: Tensor, layer: PartialConv2d) -> tuple[Tensor, Tensor]:
    """The textbook form in float64: a dense convolution of a known map with as many channels as x."""
    x, known, weight = x.double(), known.double(), layer.weight.double()
    geometry = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
    total = functional.conv2d(known, torch.ones_like(weight), **geometry)
    y = functional.conv2d(x * known, weight, **geometry)
    y = torch.where(total > 0, y * weight[0].numel() / total.clamp(min=1), 0)
    if layer.bias is not None:
        y = torch.where(total > 0, y + layer.bias.double().view(1, -1, 1, 1), 0)
    return y, (total[:, :1] > 0).double()


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"), [(7, 2, 3, 1), (5, 2, 2, 1), (3, 1, 1, 1), (3, 1, 2, 2)]
)
def test_equals_conv2d_in_the_interior_when_all_is_known(kernel: int, stride: int, padding: int, dilation: int) -> None:
    layer = PartialConv2d(3, 8, kernel, stride=stride, padding=padding, dilation=dilation)
    x = torch.rand(2, 3, 32, 32)
    y, known = layer(x, torch.ones(2, 1, 32, 32))
    plain = functional.conv2d(x, layer.weight, layer.bias, stride, padding, dilation)
    inner = slice(padding, -padding)
    torch.testing.assert_close(y[..., inner, inner], plain[..., inner, inner])
    assert known.min() == 1


def test_the_border_is_renormalised_because_outside_is_hole() -> None:
    layer = PartialConv2d(1, 1, 3, padding=1, bias=False)
    torch.nn.init.ones_(layer.weight)
    y, _ = layer(torch.ones(1, 1, 8, 8), torch.ones(1, 1, 8, 8))
    torch.testing.assert_close(y, torch.full_like(y, 9.0))


@pytest.mark.parametrize("bias", [True, False])
def test_matches_the_dense_reference_in_float64(bias: bool) -> None:
    layer = PartialConv2d(3, 8, 5, stride=2, padding=2, bias=bias)
    x, known = torch.randn(2, 3, 33, 20), random_known(2, 1, 33, 20)
    y, known_out = layer(x, known)
    expected, expected_known = reference(x, known.expand_as(x), layer)
    torch.testing.assert_close(y.double(), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(known_out.double(), expected_known)


def test_branches_with_different_known_maps_match_the_dense_multi_channel_reference() -> None:
    layer = PartialConv2d(5, 4, 3, padding=1)
    a, b = torch.randn(2, 2, 16, 16), torch.randn(2, 3, 16, 16)
    known_a, known_b = random_known(2, 1, 16, 16, share=0.3), random_known(2, 1, 16, 16, share=0.8)
    y, known = layer((a, b), (known_a, known_b))
    both = torch.cat([known_a.expand_as(a), known_b.expand_as(b)], dim=1)
    expected, expected_known = reference(torch.cat([a, b], dim=1), both, layer)
    torch.testing.assert_close(y.double(), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(known.double(), expected_known)


@pytest.mark.parametrize(("height", "width"), [(5, 7), (16, 20)])
def test_the_decoder_layer_and_its_gradients_match_upsample_concatenate_convolve(height: int, width: int) -> None:
    layer = UpPartialConv2d(6, 3, 4).double()
    low = torch.randn(2, 6, height, width, dtype=torch.float64, requires_grad=True)
    skip = torch.randn(2, 3, 2 * height, 2 * width, dtype=torch.float64, requires_grad=True)
    known_low = random_known(2, 1, height, width, share=0.4).double()
    known_skip = random_known(2, 1, 2 * height, 2 * width).double()
    y, known = layer((low, skip), (known_low, known_skip))
    up, known_up = functional.interpolate(low, scale_factor=2), functional.interpolate(known_low, scale_factor=2)
    both = torch.cat([known_up.expand_as(up), known_skip.expand_as(skip)], dim=1)
    expected, expected_known = reference(torch.cat([up, skip], dim=1), both, layer)
    torch.testing.assert_close(y, expected)
    assert torch.equal(known, expected_known)
    inputs, direction = (low, skip, layer.weight, layer.bias), torch.randn_like(y)
    for mine, theirs in zip(*(torch.autograd.grad(out, inputs, direction) for out in (y, expected)), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_four_2x2_convolutions_are_nearest_upsampling_then_a_3x3_convolution() -> None:
    weight, x = torch.randn(4, 3, 3, 3, dtype=torch.float64), torch.randn(1, 3, 5, 6, dtype=torch.float64)
    textbook = functional.conv2d(functional.interpolate(x, scale_factor=2), weight, padding=1)
    blocks = functional.conv2d(x, phase_kernel(weight, torch.tensor(PHASE_TAPS)), padding=1)
    torch.testing.assert_close(functional.pixel_shuffle(blocks, 2)[..., 1:-1, 1:-1], textbook)


def test_pixels_inside_the_hole_cannot_change_the_output() -> None:
    layer = PartialConv2d(3, 8, 3, padding=1)
    x, known = torch.rand(1, 3, 16, 16), random_known(1, 1, 16, 16)
    garbage = x * known + (1 - known) * 1e4 * torch.randn_like(x)
    assert torch.equal(layer(x, known)[0], layer(garbage, known)[0])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_lies_under_the_hole_reaches_neither_output_nor_gradients(value: float) -> None:
    layer = PartialConv2d(3, 8, 3, padding=1)
    x, known = torch.rand(1, 3, 16, 16), random_known(1, 1, 16, 16)
    poisoned = x.masked_fill(known == 0, value).requires_grad_()
    y, _ = layer(poisoned, known)
    assert torch.equal(y, layer(x, known)[0])
    y.sum().backward()
    assert all(torch.isfinite(leaf.grad).all() for leaf in (poisoned, *layer.parameters()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_an_all_hole_window_gives_exactly_zero_and_finite_gradients(dtype: torch.dtype) -> None:
    layer = PartialConv2d(64, 4, 3, padding=1).to(dtype)
    x = torch.rand(1, 64, 12, 12, dtype=dtype, requires_grad=True)
    known = torch.zeros(1, 1, 12, 12)
    known[..., 0, 0] = 1
    y, known_out = layer(x, known)
    y.float().sum().backward()
    assert torch.equal(known_out[0, 0].nonzero(), torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]]))
    assert (y[(known_out == 0).expand_as(y)] == 0).all()
    assert torch.isfinite(y).all()
    for gradient in (x.grad, layer.weight.grad, layer.bias.grad):
        assert torch.isfinite(gradient).all()


def test_autocast_keeps_the_ratio_exact() -> None:
    layer = PartialConv2d(3, 8, 7, padding=3)
    x, known = torch.rand(1, 3, 16, 16), random_known(1, 1, 16, 16, share=0.1)
    y, known_out = layer(x, known)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half, known_half = layer(x, known)
    assert torch.equal(known_out, known_half)
    torch.testing.assert_close(half.float(), y, rtol=0.05, atol=0.05)


def test_bias_is_added_after_the_ratio_and_not_in_holes() -> None:
    layer = PartialConv2d(1, 1, 3, padding=1)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.constant_(layer.bias, 2.0)
    known = torch.zeros(1, 1, 8, 8)
    known[..., 2, 2] = 1
    y, known_out = layer(torch.ones(1, 1, 8, 8), known)
    assert torch.equal(y, 2 * known_out)
    assert known_out.sum() == 9


@pytest.mark.parametrize("up", [False, True])
def test_gradcheck(up: bool) -> None:
    a = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    known_a = random_known(1, 1, 3, 4).double()
    if up:
        layer: PartialConv2d = UpPartialConv2d(2, 2, 3).double()
        b = torch.randn(1, 2, 6, 8, dtype=torch.float64, requires_grad=True)
    else:
        layer = PartialConv2d(4, 3, 3, stride=2, padding=1).double()
        b = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    known_b = random_known(1, 1, *b.shape[2:]).double()

    def run(a: Tensor, b: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        parameters = {"weight": weight, "bias": bias}
        y, _ = torch.func.functional_call(layer, parameters, ((a, b), (known_a, known_b)))
        return y

    assert torch.autograd.gradcheck(run, (a, b, layer.weight, layer.bias))


def test_no_state_is_kept_between_calls() -> None:
    layer = PartialConv2d(3, 4, 3, padding=1)
    x, known = torch.rand(1, 3, 8, 8), random_known(1, 1, 8, 8, share=0.2)
    first = layer(x, torch.ones_like(known))[0]
    layer(x, known)
    assert torch.equal(layer(x, torch.ones_like(known))[0], first)


def test_the_state_dict_is_that_of_conv2d() -> None:
    layer, plain = PartialConv2d(3, 8, 3), torch.nn.Conv2d(3, 8, 3)
    layer.load_state_dict(plain.state_dict())
    assert layer.state_dict().keys() == plain.state_dict().keys()


def test_channels_that_do_not_add_up_are_refused() -> None:
    layer = PartialConv2d(4, 4, 3)
    with pytest.raises(ValueError, match="expected 4 channels"):
        layer(torch.rand(1, 3, 8, 8), torch.ones(1, 1, 8, 8))
    with pytest.raises(ValueError, match="share one known map"):
        layer(torch.rand(1, 4, 8, 8), torch.ones(1, 4, 8, 8))
