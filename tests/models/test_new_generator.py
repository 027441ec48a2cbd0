"""A generator that is added as CONTRIBUTING says, one class, one graph and one record, works everywhere."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from onar import Inpainter, OnarError, TrainConfig, random_mask, train
from onar.checkpoint import load_weights, save_weights
from onar.export.verb import export
from onar.inference.backends import OnnxBackend
from onar.models import GENERATORS
from onar.models.generators import Generator
from onar.models.graphs.graph import Graph
from onar.models.partial_conv import hide_holes
from tests.conftest import PHOTOS
from tests.support.runs import SMALL


class Plain(nn.Module):
    """Two plain convolutions of the photo and the known map."""

    def __init__(self, base_channels: int = 8) -> None:
        super().__init__()
        self.base_channels = base_channels
        self.first = nn.Conv2d(4, base_channels, 3, padding=1)
        self.last = nn.Conv2d(base_channels, 3, 3, padding=1)

    @property
    def architecture(self) -> dict[str, Any]:
        return {"generator": "Plain", "base_channels": self.base_channels}

    def forward(self, photo: Tensor, known: Tensor) -> Tensor:
        x = torch.cat([hide_holes(photo, known), known], 1)  # B×4×H×W
        return torch.sigmoid(self.last(torch.relu(self.first(x))))  # B×3×H×W


def plain(graph: Graph, _architecture: Mapping[str, Any], photo: str, known: str) -> str:
    x = graph.add("Concat", graph.hide_holes(photo, known), known, axis=1)
    return graph.add("Sigmoid", graph.convolve("last", graph.add("Relu", graph.convolve("first", x))))


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Generator(Plain, {"base_channels": lambda value: type(value) is int and value > 0}, plain)
    monkeypatch.setitem(GENERATORS, "Plain", record)


def weights_of_run(folder: Path) -> Path:
    torch.manual_seed(0)
    save_weights(folder / "generator_final.pth", GENERATORS["Plain"](base_channels=6))
    (folder / "config.toml").write_text('generator = "Plain"\nbase_channels = 6\nimg_size = 32\n')
    return folder / "generator_final.pth"


@pytest.mark.parametrize("ending", [".pth", ".safetensors", ".onnx"])
def test_it_is_loaded_from_every_kind_of_file_and_fills_the_same(tmp_path: Path, ending: str) -> None:
    weights = weights_of_run(tmp_path)
    path = weights if ending == ".pth" else export(str(weights), tmp_path / f"plain{ending}").path
    loaded = load_weights(path)
    assert (loaded.generator.architecture, loaded.training_size) == ({"generator": "Plain", "base_channels": 6}, 32)
    photo = np.asarray(Image.open(PHOTOS / "skimage_coffee.jpg").resize((90, 60)))
    mask = random_mask(60, 90, rng=np.random.default_rng(0))
    own, other = (Inpainter.load(file, "cpu")(photo, mask).astype(int) for file in (weights, path))
    assert np.abs(own - other).max() <= 2
    assert (own != photo)[mask > 0].any()


def test_its_file_says_to_what_it_pads(tmp_path: Path) -> None:
    assert OnnxBackend(export(str(weights_of_run(tmp_path)), tmp_path / "plain.onnx").path, "cpu").step == 1


def test_it_becomes_a_page(tmp_path: Path) -> None:
    assert export(str(weights_of_run(tmp_path)), tmp_path / "page", format="web").path.is_dir()


def test_without_a_graph_it_has_no_onnx_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = weights_of_run(tmp_path)
    monkeypatch.setitem(GENERATORS, "Plain", Generator(Plain, GENERATORS["Plain"].arguments))
    with pytest.raises(OnarError, match="a Plain has no ONNX graph"):
        export(str(weights), tmp_path / "plain.onnx")
    assert export(str(weights), tmp_path / "plain.safetensors").path.exists()


def test_a_value_that_it_does_not_take_is_refused(tmp_path: Path) -> None:
    weights = weights_of_run(tmp_path)
    (tmp_path / "config.toml").write_text('generator = "Plain"\nbase_channels = 9\n')
    with pytest.raises(OnarError, match=r"does not fit Plain: first\.weight is \(6, 4, 3, 3\), not \(9, 4, 3, 3\)"):
        load_weights(weights)


def test_it_is_trained(photos: Path, tmp_path: Path) -> None:
    train(TrainConfig(data=photos, results_dir=tmp_path, **SMALL, generator="Plain"))
    assert load_weights(tmp_path / "generator_final.pth").generator.architecture["base_channels"] == 4
