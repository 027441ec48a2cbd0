"""Weights of other programs compute the same once they are converted, in every way in which Onar runs them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from onar import OnarError, UsageError, random_mask
from onar.checkpoint import load_generator, load_weights
from onar.conversion.verb import convert
from onar.export.verb import export
from onar.inference.backends import OnnxBackend
from onar.masks.holes import known_from_mask
from onar.models import PConvUNet
from onar.weights.bundled import bundled_photos
from tests.support.convert_references import EncoderDecoder, FlatUNet, RatioOfKnownValues, RatioOfWindow, randomise
from tests.support.pictures import a_mask, a_photo, encode
from tests.support.runs import one_line, run_onar, train_small
from tests.support.server import running_server

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
        """Output of the program for a photo in [0, 1], B×3×H×W, and known, B×1×H×W."""
        known = known.expand(-1, 3, -1, -1)
        with torch.no_grad():
            return self.show(network(self.see(photo) * known, known)).clamp(0, 1)


def prefixed(prefix: str, network: nn.Module) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in network.state_dict().items()}


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
            "state_dict": prefixed("generator.", network) | {"loss_percep.vgg.mean": torch.zeros(1, 3, 1, 1)},
        },
    ),
    "NVIDIA": Program(
        build=lambda: FlatUNet(RatioOfWindow, 8, 3, "all"),
        see=lambda photo: photo * 2 - 1,
        show=lambda answer: answer / 2 + 0.5,
        save=lambda network: {"ckpt": {"model": prefixed("module.", network)}},
        colours="symmetric",
    ),
}


def photos_with_holes(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Real photos with irregular holes; the last one is all hole on one side: deep levels know nothing there."""
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


# ---------------------------------------------------------------- every way in which Onar runs it
@pytest.mark.process
def test_a_converted_file_completes_and_is_served(tmp_path: Path) -> None:
    case = make_case("naoto0804", tmp_path)
    assert "colours imagenet" in run_onar("convert", case.theirs, "--output", tmp_path / "again.safetensors").out
    again, before = (load_generator(path).state_dict() for path in (tmp_path / "again.safetensors", case.ours))
    assert all(torch.equal(value, again[name]) for name, value in before.items())

    photo, mask = encode(a_photo(96, 128)), a_mask(96, 128)
    (tmp_path / "photo.png").write_bytes(photo)
    (tmp_path / "mask.png").write_bytes(mask)
    weights = ("--weights", case.ours, "--device", "cpu")
    run_onar(
        *("complete", tmp_path / "photo.png", "--mask", tmp_path / "mask.png", "--output", tmp_path / "out.png"),
        *(*weights, "--strategy", "whole", "--texture", "network"),
    )
    pixels = torch.from_numpy(np.array(a_photo(96, 128))).permute(2, 0, 1)[None].float() / 255
    known = torch.from_numpy(known_from_mask(np.asarray(Image.open(tmp_path / "mask.png"))))[None]
    expected = case.program.complete(case.network, pixels, known) * (1 - known) + pixels * known
    found = np.asarray(Image.open(tmp_path / "out.png")).astype(float)
    assert np.abs(found - 255 * expected[0].permute(1, 2, 0).numpy()).max() <= 0.51

    with running_server(*weights, "--no-page") as server:
        fields = {"strategy": "whole", "texture": "network"}
        files = {"photo": ("photo.png", photo), "mask": ("mask.png", mask)}
        response = httpx.post(f"{server.url}/api/complete", data=fields, files=files, timeout=60)
    assert response.status_code == 200, response.text
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(response.content))), found)


def test_training_goes_on_from_a_converted_file(photos: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(FlatUNet(RatioOfKnownValues, 4, 3, "last").state_dict(), tmp_path / "theirs.pth")
    start = convert(tmp_path / "theirs.pth", tmp_path / "ours.safetensors").output
    settings = {"lambda_content": 0.0, "val_share": 0.0, "max_steps": 1, "learning_rate_g": 1e-9}
    trained = train_small(photos, tmp_path / "run", init_weights=start, **settings)
    bare = trained.rename(tmp_path / "moved.pth")  # away from its run's configuration
    before, after = load_generator(start), load_generator(bare)
    assert after.normalised
    for (name, one), other in zip(before.state_dict().items(), after.state_dict().values(), strict=True):
        if not name.rpartition(".")[2].startswith(("running", "num")):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


# ---------------------------------------------------------------- what a file may hold
SMALLEST = FlatUNet(RatioOfKnownValues, 4, 3, "last")


def converted(path: Path) -> dict[str, Tensor]:
    return load_generator(convert(path, path.with_suffix(".safetensors")).output).state_dict()


@pytest.mark.parametrize("wrap", [dict, lambda state: {"ckpt": {"state_dict": state, "lr": 0.1}, "epoch": 3}])
@pytest.mark.parametrize("prefix", ["", "module.", "model.module."])
def test_prefixes_and_nesting_change_nothing(wrap: Callable[[dict], dict], prefix: str, tmp_path: Path) -> None:
    torch.save(SMALLEST.state_dict(), tmp_path / "plain.pth")
    torch.save(wrap({prefix + name: value for name, value in SMALLEST.state_dict().items()}), tmp_path / "wrapped.pth")
    plain, wrapped = (converted(tmp_path / f"{name}.pth") for name in ("plain", "wrapped"))
    assert all(torch.equal(value, wrapped[name]) for name, value in plain.items())


def test_files_of_old_pytorch_and_without_what_can_be_done_without_are_read(tmp_path: Path) -> None:
    spare = ("mask_conv.weight", "num_batches_tracked")
    state = {name: value for name, value in SMALLEST.state_dict().items() if not name.endswith(spare)}
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.save(SMALLEST.state_dict(), tmp_path / "new.pth")
    old, new = (converted(tmp_path / f"{name}.pth") for name in ("old", "new"))
    assert all(torch.equal(value, new[name]) for name, value in old.items())


def test_skipped_tensors_are_reported(tmp_path: Path) -> None:
    case = make_case("MMagic", tmp_path)
    assert "4 levels, 8 channels in the first, colours symmetric" in case.said
    assert "8 tensors of ones" in case.said
    assert "1 tensors that only training uses" in case.said
    assert "beside the network: meta" in case.said


def test_the_size_of_its_training_is_that_of_the_published_files(tmp_path: Path) -> None:
    torch.save(FlatUNet(RatioOfKnownValues, 4, 7, "last").state_dict(), tmp_path / "theirs.pth")
    convert(tmp_path / "theirs.pth", tmp_path / "ours.safetensors")
    assert load_weights(tmp_path / "ours.safetensors").training_size == 256


ZEROS = torch.zeros(3)
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"dec_1.bn.weight": ZEROS}, r"dec_1\.bn\.weight is unknown"),
    "unknown level": ({"enc_5.conv.input_conv.weight": ZEROS}, r"enc_5\.conv\.input_conv\.weight is unknown"),
    "no name": ({7: ZEROS}, "7 is unknown"),
    "missing": ({"enc_2.bn.running_var": None}, r"enc_2\.bn\.running_var is missing"),
    "missing kernel": ({"dec_2.conv.input_conv.weight": None}, r"dec_2\.conv\.input_conv\.weight is missing"),
    "shape": ({"enc_2.bn.bias": torch.zeros(9)}, r"enc_2\.bn\.bias is \(9,\), not \(8,\)"),
    "kernel size": (
        {"enc_3.conv.input_conv.weight": torch.zeros(16, 8, 3, 3)},
        r"enc_3\.conv\.input_conv\.weight is \(16, 8, 3, 3\), not \(16, 8, 5, 5\)",
    ),
    "grey photos": (
        {"enc_1.conv.input_conv.weight": torch.zeros(4, 1, 7, 7)},
        r"enc_1\.conv\.input_conv\.weight is \(4, 1, 7, 7\), not \(4, 3, 7, 7\)",
    ),
    "first kernel": ({"enc_1.conv.input_conv.weight": torch.zeros(4)}, "kernel of four dimensions"),
    "other counts": ({"dec_3.conv.mask_conv.weight": torch.rand(16, 32, 3, 3)}, r"dec_3\.conv\.mask_conv\.weight"),
    "counts of one channel": (
        {"dec_3.conv.mask_conv.weight": torch.ones(1, 1, 3, 3)},
        r"dec_3\.conv\.mask_conv\.weight is \(1, 1, 3, 3\), not",
    ),
    "no tensor": ({"enc_2.bn.bias": [0.0] * 8}, r"enc_2\.bn\.bias is a list, not a tensor"),
    "no numbers": ({"enc_2.bn.bias": torch.zeros(8, dtype=torch.complex64)}, r"enc_2\.bn\.bias holds torch\.complex64"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_tensor_that_does_not_fit_is_named_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    changes, said = WRONG[name]
    state = {key: value for key, value in {**SMALLEST.state_dict(), **changes}.items() if value is not None}
    torch.save({"model": state}, tmp_path / "theirs.pth")
    with one_line(f"^nothing is written: in .*{said}"):
        convert(tmp_path / "theirs.pth", tmp_path / "ours.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["theirs.pth"]


def itself() -> dict[str, Any]:
    content: dict[str, Any] = {}
    content["model"] = content
    return content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"conv1.weight": ZEROS}, "none of the known layouts .* it has conv1.weight"),
        ({}, "it has nothing"),
        (itself(), "it has model"),
        ({"model": {}, "state_dict": {}}, "holds several networks, state_dict and model"),
        ({"module.encoder.0.conv.weight": ZEROS}, "none of the known layouts"),
        (PConvUNet(4, 3).state_dict(), "is a file of Onar"),
    ],
)
def test_a_file_in_no_known_layout_is_one_line(content: dict[str, Any], said: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "theirs.pth")
    with pytest.raises(OnarError, match=said):
        convert(tmp_path / "theirs.pth", tmp_path / "ours.safetensors")


def test_colours_that_nothing_says_are_asked_for(tmp_path: Path) -> None:
    torch.save(FlatUNet(RatioOfWindow, 4, 3, "all").state_dict(), tmp_path / "theirs.pth")
    with pytest.raises(UsageError, match=r"^colours is required: .*: imagenet, symmetric or unit"):
        convert(tmp_path / "theirs.pth", tmp_path / "ours.safetensors")
    with pytest.raises(UsageError, match=r"^output must end in \.safetensors, not ours\.pth"):
        convert(tmp_path / "theirs.pth", tmp_path / "ours.pth", "unit")
    assert [path.name for path in tmp_path.iterdir()] == ["theirs.pth"]


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save(SMALLEST, tmp_path / "theirs.pth")  # the network itself, which only its own program may open
    with pytest.raises(OnarError, match="holds more than tensors and plain values"):
        convert(tmp_path / "theirs.pth", tmp_path / "ours.safetensors")
