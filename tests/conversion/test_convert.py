"""Weights of other programs compute the same once they are converted, in every way in which Onar runs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from onar import Inpainter, OnarError, TrainConfig, UsageError, random_mask, train
from onar.bundled import bundled_photos
from onar.checkpoint import load_generator, load_weights, save_weights
from onar.conversion.layouts import LAYOUTS
from onar.conversion.verb import convert
from onar.export.verb import export
from onar.inference.backends import OnnxBackend
from onar.masks import known_from_mask
from onar.models import PConvUNet
from tests.conversion.references import (
    EncoderDecoder,
    FlatUNet,
    RatioOfKnownValues,
    RatioOfWindow,
    randomise,
)
from tests.runs import SMALL, run_onar

IMAGENET = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]


@dataclass(frozen=True)
class Program:
    """A program whose weights are converted: its network, its numbers, and how it saves."""

    build: Callable[[], nn.Module]
    see: Callable[[Tensor], Tensor]
    show: Callable[[Tensor], Tensor]
    save: Callable[[nn.Module], dict[str, Any]]
    colours: str | None = None

    def complete(self, network: nn.Module, photo: Tensor, known: Tensor) -> Tensor:
        """What the program gives out for a photo in [0, 1], B×3×H×W, and known, B×1×H×W."""
        known = known.expand(-1, 3, -1, -1)
        with torch.no_grad():
            return self.show(network(self.see(photo) * known, known)).clamp(0, 1)


PROGRAMS = {
    "naoto0804": Program(
        build=lambda: FlatUNet(RatioOfKnownValues, 8, 5, "last"),
        see=lambda photo: (photo - IMAGENET[0]) / IMAGENET[1],
        show=lambda answer: answer * IMAGENET[1] + IMAGENET[0],
        save=lambda network: {"n_iter": 1000, "model": network.state_dict(), "optimizer": {"state": {}}},
    ),
    "MMagic": Program(
        build=lambda: EncoderDecoder(8, 4),
        see=lambda photo: (photo.flip(1) - 0.5) / 0.5,
        show=lambda answer: (answer * 0.5 + 0.5).flip(1),
        save=lambda network: {
            "meta": {"iter": 3},
            "state_dict": {
                **{f"generator.{name}": value for name, value in network.state_dict().items()},
                "loss_percep.vgg.mean": torch.zeros(1, 3, 1, 1),
            },
        },
    ),
    "NVIDIA": Program(
        build=lambda: FlatUNet(RatioOfWindow, 8, 3, "all"),
        see=lambda photo: photo * 2 - 1,
        show=lambda answer: answer / 2 + 0.5,
        save=lambda network: {
            "ckpt": {"model": {f"module.{name}": value for name, value in network.state_dict().items()}}
        },
        colours="symmetric",
    ),
}


def photos_with_holes(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Real photos with irregular holes; the last one is all hole on one side, so that deep levels know nothing there."""
    files = sorted(bundled_photos().glob("*.jpg"))[:4]
    pictures = [np.asarray(Image.open(file).convert("RGB").resize((width, height))) for file in files]
    photo = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    rng = np.random.default_rng(0)
    masks = [random_mask(height, width, rng=rng, hole_ratio=(share, share + 0.1)) for share in (0.1, 0.3, 0.5, 0.1)]
    known = torch.from_numpy(np.stack([known_from_mask(mask) for mask in masks]))
    known[-1, ..., width // 3 :] = 0
    return photo, known


@dataclass(frozen=True)
class Case:
    """A program with random weights, the file it saves, and Onar's file made of it."""

    program: Program
    network: nn.Module
    theirs: Path
    ours: Path
    said: str


def make_case(name: str, folder: Path, deviation: float = 1.0) -> Case:
    program = PROGRAMS[name]
    torch.manual_seed(0)
    network = program.build()
    photo, known = photos_with_holes(96, 128)
    randomise(network, program.see(photo) * known, known.expand(-1, 3, -1, -1), deviation)
    torch.save(program.save(network), folder / "theirs.pth")
    conversion = convert(folder / "theirs.pth", folder / "ours.safetensors", program.colours)
    return Case(program, network, folder / "theirs.pth", folder / "ours.safetensors", str(conversion))


@pytest.fixture(scope="module", params=PROGRAMS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case(request.param, tmp_path_factory.mktemp("weights"))


@pytest.mark.parametrize(("height", "width"), [(96, 128), (160, 64)])
def test_the_converted_network_computes_the_same(case: Case, height: int, width: int) -> None:
    generator = load_generator(case.ours)
    photo, known = photos_with_holes(height, width)
    expected = case.program.complete(case.network, photo, known)
    with torch.no_grad():
        completed = generator(photo * known, known)
    assert (completed - expected).abs().max() < 1e-4
    assert ((expected > 0) & (expected < 1)).float().mean() > 0.9, "colours that are cut off would hide differences"
    assert expected.std() > 0.1


def test_the_exported_graph_computes_the_same(case: Case, tmp_path: Path) -> None:
    path = export(str(case.ours), tmp_path / "model.onnx").path
    photo, known = photos_with_holes(96, 128)
    completed = OnnxBackend(path, "cpu").run(photo.numpy(), known.numpy())
    assert np.abs(completed - case.program.complete(case.network, photo, known).numpy()).max() < 1e-4


@pytest.mark.parametrize("name", PROGRAMS)
def test_half_precision_is_near_where_the_network_is_calm(name: str, tmp_path: Path) -> None:
    case = make_case(name, tmp_path, deviation=0.1)
    half = load_generator(export(str(case.ours), tmp_path / "half.safetensors").path)
    photo, known = photos_with_holes(96, 128)
    with torch.no_grad():
        completed = half(photo * known, known)
    assert (completed - case.program.complete(case.network, photo, known)).abs().max() < 2 / 255
