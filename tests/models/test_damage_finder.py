"""The network that finds damage: sizes, costs, context, and its ONNX file."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from onar.finding import damage
from onar.models.damage_finder import CHANNELS, FINDER_MULTIPLE, DamageFinder
from onar.models.graphs.damage_finder import finder_onnx, folded
from onar.models.graphs.graph import Weights
from onar.training.finder import config


def used_network(seed: int = 0) -> DamageFinder:
    """A network whose batch norms have seen photos."""
    torch.manual_seed(seed)
    network = DamageFinder()
    for _ in range(3):
        network(torch.rand(2, 3, 64, 64))
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 2)
                module.bias.uniform_(-0.5, 0.5)
        network.last.bias.zero_()
    return network.eval()


def weights_of(network: nn.Module) -> Weights:
    return {name: value.numpy() for name, value in network.state_dict().items()}


def probabilities(content: bytes, photo: torch.Tensor) -> np.ndarray:
    (found,) = onnxruntime.InferenceSession(content).run(["probabilities"], {"photo": photo.numpy()})
    return np.asarray(found)


@pytest.mark.parametrize("size", [(16, 16), (16, 80), (48, 32), (128, 160)])
@torch.no_grad()
def test_every_pixel_of_any_size_gets_two_values_and_the_file_gives_the_same(size: tuple[int, int]) -> None:
    network, photo = used_network(), torch.rand(2, 3, *size)
    expected = network(photo).sigmoid().numpy()
    assert expected.shape == (2, CHANNELS, *size)
    found = probabilities(finder_onnx(weights_of(network), {}), photo)
    assert np.abs(found - expected).max() < 1e-5
    half = probabilities(finder_onnx(weights_of(network), {}, half=True), photo)
    assert np.abs(half - expected).max() < 0.02


def test_the_file_has_the_metadata_and_is_small() -> None:
    content = finder_onnx(weights_of(DamageFinder()), {"threshold_dust": "0.4"}, half=True)
    assert onnxruntime.InferenceSession(content).get_modelmeta().custom_metadata_map == {"threshold_dust": "0.4"}
    assert len(content) < 2e6


@torch.no_grad()
def test_it_has_few_weights_and_few_products_per_pixel() -> None:
    network, products = DamageFinder().eval(), []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(
                lambda layer, _, out: products.append(layer.weight.numel() * out.shape[-2] * out.shape[-1])
            )
    network(torch.rand(1, 3, 128, 128))
    assert sum(value.numel() for value in network.parameters()) <= 0.5e6
    assert sum(products) / 128**2 <= 17e3


def test_it_sees_far_enough_to_distinguish_a_wire_from_a_scratch() -> None:
    photo = torch.rand(1, 3, 400, 400, requires_grad=True)
    used_network()(photo)[0, :, 200, 200].sum().backward()
    assert photo.grad is not None
    reached = photo.grad[0].abs().sum(0).nonzero()
    assert (reached.max(0).values - reached.min(0).values).min() > 250


def test_a_finder_that_has_learned_nothing_marks_nothing() -> None:
    torch.manual_seed(0)
    assert (DamageFinder()(torch.rand(4, 3, 64, 64)).sigmoid() < 0.5).float().mean() > 0.95


def test_folded_weights_have_no_norms_and_every_convolution_a_bias() -> None:
    names = folded(weights_of(used_network())).keys()
    assert not [name for name in names if "norm" in name]
    kernels = [name for name in names if name.endswith(".weight")]
    assert {name.removesuffix("weight") + "bias" for name in kernels} <= set(names)
    assert len(names) == 2 * len(kernels)


def test_every_weight_learns() -> None:
    network = DamageFinder()
    network(torch.rand(2, 3, 64, 64)).square().mean().backward()
    assert not [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()]


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(RuntimeError):
        DamageFinder()(torch.rand(1, 3, FINDER_MULTIPLE + 2, 32))


def test_settings_and_windows_know_the_multiple_of_the_network() -> None:
    """Their modules must not import torch, so each has the number itself."""
    assert damage.MULTIPLE == config.MULTIPLE == FINDER_MULTIPLE
