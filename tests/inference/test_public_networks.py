"""Networks of other programs: each kind is found by itself, and fills as it does when it is run directly."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from onar.errors import OnarError, UsageError
from onar.evaluation.verb import evaluate
from onar.inference.inpainter import Inpainter
from onar.inference.public_networks import NETWORKS, PublicBackend
from onar.serve.weights import WeightsShelf
from onar.settings.networks import NetworkOption
from onar.weights.bundled import bundled_photos
from tests.support.public_networks import KINDS, mean_fill, write_network
from tests.support.runs import refusal, run_onar

SIZES = {"migan_generator": (512,)}
"""Sides that networks are tested with, besides any."""


def _photo(side: tuple[int, int]) -> np.ndarray:
    photo = Image.open(sorted(bundled_photos().glob("*.jpg"))[3]).convert("RGB")
    return np.asarray(photo.resize(side[::-1], Image.Resampling.BICUBIC))


def _hole(shape: tuple[int, int], top: int, left: int, height: int, width: int) -> np.ndarray:
    hole = np.zeros(shape, bool)
    hole[top : top + height, left : left + width] = True
    return hole


def test_the_option_names_every_kind_and_tests_have_one_of_each() -> None:
    assert set(get_args(NetworkOption)) == {"auto", *NETWORKS}
    assert set(KINDS) == set(NETWORKS)


@pytest.mark.parametrize("size", [512, 256, None])
@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_of_a_file_is_found_and_its_fill_is_the_network_s_own(
    kind: str, size: int | None, tmp_path: Path
) -> None:
    inpainter = Inpainter.load(write_network(tmp_path / "network.onnx", kind, size), "cpu")
    assert isinstance(inpainter.backend, PublicBackend)
    assert inpainter.backend.network is NETWORKS[kind]
    photo, hole = _photo((size or 512, size or 512)), _hole((size or 512, size or 512), 40, 60, 90, 70)
    filled = inpainter(photo, hole)
    assert (filled[~hole] == photo[~hole]).all()
    assert np.abs(filled[hole] - mean_fill(photo, hole)).max() <= 1


def test_a_fill_is_that_of_onnx_runtime_called_directly(tmp_path: Path) -> None:
    path = write_network(tmp_path / "migan.onnx", "migan")
    photo, hole = _photo((512, 512)), _hole((512, 512), 200, 100, 120, 200)
    inputs = {"image": photo.transpose(2, 0, 1)[None], "mask": np.where(hole, 0, 255).astype(np.uint8)[None, None]}
    direct = onnxruntime.InferenceSession(path).run(None, inputs)[0][0].transpose(1, 2, 0)
    filled = Inpainter.load(path, "cpu")(photo, hole)
    assert np.abs(filled.astype(int) - np.where(hole[..., None], direct, photo)).max() <= 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", [{"polarity": "wrong"}, {"scale": 1 / 255}, {"scale": 0.5}], ids=str)
def test_a_file_that_takes_its_inputs_otherwise_is_refused(kind: str, fault: dict[str, object], tmp_path: Path) -> None:
    path = write_network(tmp_path / "network.onnx", kind, None if kind != "migan_generator" else 512, **fault)
    if (kind, fault) == ("lama", {"scale": 1 / 255}):  # that is a file of another kind
        assert Inpainter.load(path, "cpu").backend.network is NETWORKS["lama_unit"]
        return
    with pytest.raises(OnarError, match=f"network must be one of lama, .*as {kind}, ") as error:
        Inpainter.load(path, "cpu")
    assert len(str(error.value).splitlines()) == 1


def test_a_named_kind_is_not_tested_and_one_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = write_network(tmp_path / "network.onnx", "lama", scale=0.5)
    assert Inpainter.load(path, "cpu", network="lama").backend.network is NETWORKS["lama"]
    with pytest.raises(UsageError, match=r"network migan does not fit the inputs of .*, which lama or lama_unit may"):
        Inpainter.load(path, "cpu", network="migan")


@pytest.mark.parametrize("shape", [(40, 700), (1, 1), (513, 511), (900, 700), (30, 20), (2000, 64)])
@pytest.mark.parametrize("strategy", ["auto", "crop", "whole"])
def test_a_network_of_one_size_fills_photos_of_any(shape: tuple[int, int], strategy: str, tmp_path: Path) -> None:
    inpainter = Inpainter.load(write_network(tmp_path / "lama.onnx", "lama", 128), "cpu")
    rng = np.random.default_rng(sum(shape))
    photo, hole = _photo(shape), np.zeros(shape, bool)
    for _ in range(6):
        height, width = (int(rng.integers(1, max(2, side // 2))) for side in shape)
        top, left = (int(rng.integers(0, side)) for side in shape)
        hole |= _hole(shape, top, left, height, width)
    hole[0, 0] = shape == (1, 1) or hole[0, 0]
    filled = inpainter(photo, hole, strategy=strategy)
    assert (filled[~hole] == photo[~hole]).all()
    if not hole.all():
        low, high = photo[~hole].min(axis=0), photo[~hole].max(axis=0)
        margin = 40  # of the detail that is restored
        assert (filled[hole] >= low.astype(int) - margin).all()
        assert (filled[hole] <= high.astype(int) + margin).all()


def test_windows_of_a_network_of_one_size_have_that_size_and_few_holes_are_few_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inpainter = Inpainter.load(write_network(tmp_path / "lama.onnx", "lama", 256), "cpu")
    shapes = []
    backend = inpainter.backend
    monkeypatch.setattr(type(backend), "_complete", _recording(type(backend)._complete, shapes))
    photo = _photo((1200, 1600))
    hole = np.zeros(photo.shape[:2], bool)
    for number in range(200):  # specks in one corner
        hole |= _hole(hole.shape, 30 + 11 * (number // 20), 30 + 8 * (number % 20), 5 + 4 * (number % 2), 7)
    inpainter(photo, hole)
    assert set(shapes) == {(256, 256)}
    assert len(shapes) == 1


def _recording(run: object, shapes: list[tuple[int, ...]]) -> object:
    def complete(self: PublicBackend, photo: np.ndarray, known: np.ndarray) -> np.ndarray:
        shapes.append(known.shape)
        return run(self, photo, known)  # type: ignore[operator]

    return complete


def test_sixteen_bits_alpha_and_grey_are_kept(tmp_path: Path) -> None:
    inpainter = Inpainter.load(write_network(tmp_path / "lama.onnx", "lama", 256), "cpu")
    photo, hole = _photo((300, 400)), _hole((300, 400), 100, 100, 150, 160)
    deep = photo.astype(np.uint16) * 257
    filled = inpainter(deep, hole)
    assert filled.dtype == np.uint16
    assert (filled[~hole] == deep[~hole]).all()
    assert np.abs(filled / 257.0 - inpainter(photo, hole)).max() < 1
    grey = photo[..., 0]
    assert inpainter(grey, hole).shape == grey.shape
    layered = Image.fromarray(np.dstack([photo, np.full(hole.shape, 77, np.uint8)]))
    assert (np.asarray(inpainter(layered, hole))[..., 3] == 77).all()


def test_texture_is_not_copied_over_a_network_that_draws_unless_asked_for(tmp_path: Path) -> None:
    inpainter = Inpainter.load(write_network(tmp_path / "lama.onnx", "lama", 512), "cpu")
    photo, hole = _photo((256, 256)), _hole((256, 256), 60, 60, 60, 60)
    own = inpainter(photo, hole)
    assert (own == inpainter(photo, hole, texture="network")).all()
    assert (own != inpainter(photo, hole, texture="patches")).any()


def test_a_fill_at_half_the_scale_gets_the_photo_s_detail(tmp_path: Path) -> None:
    """The network's fill is flat; noise of the photo comes back where it was filled at a smaller scale."""
    inpainter = Inpainter.load(write_network(tmp_path / "lama.onnx", "lama", 128), "cpu")
    rng = np.random.default_rng(0)
    photo = np.clip(120 + 20 * rng.standard_normal((400, 400, 3)), 0, 255).astype(np.uint8)
    hole = _hole((400, 400), 120, 120, 160, 160)
    filled = inpainter(photo, hole)
    inner = filled[140:260, 140:260].astype(float)
    assert inner.std() > 5
    assert abs(inner.mean() - 120) < 5


def _torchscript(path: Path, factor: float = 1.0) -> Path:
    class Mean(torch.nn.Module):
        def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            known = 1 - mask
            mean = (image * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)
            return (image * known + mean * mask) * factor

    torch.jit.trace(Mean(), (torch.rand(1, 3, 16, 16), torch.ones(1, 1, 16, 16))).save(path)
    return path


def test_torchscript_is_run_only_when_it_is_trusted(tmp_path: Path) -> None:
    path = _torchscript(tmp_path / "big-lama.pt")
    with pytest.raises(UsageError, match="TorchScript file, a program: only with trust_weights is it run"):
        Inpainter.load(path, "cpu")
    inpainter = Inpainter.load(path, "cpu", trust_weights=True)
    photo, hole = _photo((203, 301)), _hole((203, 301), 50, 60, 70, 80)
    filled = inpainter(photo, hole)
    assert (filled[~hole] == photo[~hole]).all()
    assert np.abs(filled[hole].astype(float) - mean_fill(photo, hole)).max() < 30  # of the padded photo
    with pytest.raises(OnarError, match="as lama_unit, known pixels differ"):
        Inpainter.load(_torchscript(tmp_path / "other.pt", 0.3), "cpu", trust_weights=True)


def test_other_onnx_files_are_refused_in_one_line(tmp_path: Path) -> None:
    path = write_network(tmp_path / "lama.onnx", "lama")
    (tmp_path / "cut.onnx").write_bytes(path.read_bytes()[:200])
    with pytest.raises(OnarError, match="damaged or not an ONNX file"):
        Inpainter.load(tmp_path / "cut.onnx", "cpu")


def test_the_command_fills_files_with_a_public_network_and_keeps_what_is_known(tmp_path: Path) -> None:
    weights = write_network(tmp_path / "migan.onnx", "migan")
    photo, hole = _photo((1100, 1500)), _hole((1100, 1500), 300, 500, 120, 160)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    Image.fromarray(hole).save(tmp_path / "mask.png")
    files = tmp_path / "photo.png", "--mask", tmp_path / "mask.png", "--output", tmp_path / "filled.png"
    assert "MI-GAN's pipeline" in run_onar("complete", *files, "--weights", weights).out
    filled = np.asarray(Image.open(tmp_path / "filled.png"))
    assert (filled[~hole] == photo[~hole]).all()
    assert filled[hole].std(axis=0).max() == 0
    said = refusal("complete", *files, "--weights", weights, "--network", "lama", "--overwrite")
    assert "--network lama does not fit" in said


def test_an_evaluation_compares_public_networks_with_own_weights(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(2):
        Image.fromarray(_photo((96, 128))[:, :: 1 - 2 * number]).save(tmp_path / "photos" / f"{number}.png")
    lama = write_network(tmp_path / "lama.onnx", "lama")
    report = evaluate(tmp_path / "photos", weights={"ours": "pyramid", "theirs": lama}, masks_per_range=1, device="cpu")
    assert {"ours", "theirs"} <= set(report.methods)
    assert "LaMa" in report.methods["theirs"]


def test_a_server_offers_public_networks_of_its_folder_but_runs_no_torchscript(tmp_path: Path) -> None:
    write_network(tmp_path / "lama.onnx", "lama", 128)
    _torchscript(tmp_path / "big-lama.pt")
    shelf = WeightsShelf("pyramid", "cpu", tmp_path)
    assert "lama.onnx" in shelf.names()
    assert "big-lama.pt" not in shelf.names()
    assert shelf.choose("lama.onnx").backend.network is NETWORKS["lama"]
    with pytest.raises(UsageError, match="TorchScript"):
        WeightsShelf(str(tmp_path / "big-lama.pt"), "cpu").load()


def test_what_a_network_mixes_into_the_edge_of_a_fill_is_no_black(tmp_path: Path) -> None:
    """MI-GAN's pipeline mixes what the photo has in the hole into the edge of its fill."""
    inpainter = Inpainter.load(write_network(tmp_path / "migan.onnx", "migan", mix=0.5), "cpu")
    photo, hole = np.full((200, 300, 3), (200, 90, 40), np.uint8), _hole((200, 300), 50, 60, 80, 90)
    assert np.abs(inpainter(photo, hole).astype(int) - photo).max() <= 1
