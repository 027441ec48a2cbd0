import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torch import nn

from onar import Inpainter, OnarError, PConvUNet, PyramidFill, UsageError, random_mask
from onar.checkpoint import copy_into, load_generator, load_weights, save_safetensors, save_weights
from onar.conversion.verb import convert
from onar.export.onnx_files import onnx_of, run_onnx
from onar.export.verb import EXPORTERS, export, export_onnx
from onar.models import GENERATORS
from tests.conftest import PHOTOS
from tests.support.pictures import COFFEE
from tests.support.runs import run_onar


def trained(generator: nn.Module) -> nn.Module:
    """The generator with statistics and weights as a training leaves them: none is zero or one."""
    torch.manual_seed(0)
    for name, value in generator.state_dict().items():
        if "norm" in name and value.is_floating_point():
            value.copy_(torch.rand_like(value) + 0.5)
        elif name.startswith(("head.2", "colours.last")):
            value.normal_(0, 0.05)
    return generator.eval()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "generator_final.pth"
    save_weights(path, trained(PConvUNet(16, 4)))
    return path


@pytest.fixture(scope="module")
def exported(weights: Path) -> Path:
    return export(str(weights), weights.with_name("model.onnx")).path


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "U-Net": lambda: PConvUNet(4, 5),
    "one level": lambda: PConvUNet(4, 1),
    "U-Net on the pyramid": lambda: PConvUNet(4, 3, "pyramid"),
    "U-Net with colours": lambda: PConvUNet(4, 2, colour_channels=6),
    "U-Net on the pyramid with colours": lambda: PConvUNet(4, 3, "pyramid", 5, colour_channels=6),
    "pyramid": PyramidFill,
}


def test_every_generator_can_be_exported() -> None:
    assert all(generator.graph for generator in GENERATORS.values())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_file_computes_what_the_network_does(name: str, tmp_path: Path, rng: np.random.Generator) -> None:
    generator = trained(NETWORKS[name]())
    run = export_onnx(generator, {"training_size": "64"}, tmp_path / "model.onnx")
    for batch, height, width in [(1, 64, 64), (3, 37, 50), (1, 1, 1), (2, 1, 70), (1, 129, 97)]:
        photo = torch.from_numpy(rng.random((batch, 3, height, width), np.float32))
        known = torch.from_numpy((rng.random((batch, 1, height, width)) < 0.7).astype(np.float32))
        known[..., height // 4 : height // 2, :] = 0
        with torch.no_grad():
            expected = generator(photo * known, known)
        assert run(photo, known).numpy() == pytest.approx(expected.numpy(), abs=5e-5)
        assert run(photo * known, known).equal(run(photo, known)), "what lies under a hole must not matter"


def test_a_file_in_half_precision_is_smaller_and_computes_the_same(tmp_path: Path) -> None:
    generator = trained(PConvUNet(16, 4, "pyramid", colour_channels=6)).half().float()
    plain, half = (onnx_of(generator, {"training_size": "64"}, half=choice) for choice in (False, True))
    assert len(half) < 0.7 * len(plain)
    completed = []
    for content in (plain, half):
        (tmp_path / "model.onnx").write_bytes(content)
        torch.manual_seed(0)
        completed.append(run_onnx(tmp_path / "model.onnx")(torch.rand(1, 3, 65, 80), torch.ones(1, 1, 65, 80)))
    assert torch.equal(*completed)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_can_be_read_back_from_its_file(name: str, tmp_path: Path) -> None:
    generator = trained(NETWORKS[name]())
    export_onnx(generator, {"training_size": "64"}, tmp_path / "model.onnx")
    loaded = load_weights(tmp_path / "model.onnx")
    assert (loaded.generator.architecture, loaded.training_size) == (generator.architecture, 64)
    again = loaded.generator.state_dict()
    assert all(torch.equal(value, again[key]) for key, value in generator.state_dict().items())


@pytest.mark.parametrize("strategy", ["whole", "crop"])
def test_an_inpainter_completes_with_the_file_as_with_the_weights(strategy: str, weights: Path, exported: Path) -> None:
    photo = np.asarray(Image.open(COFFEE).resize((180, 140)))
    mask = random_mask(140, 180, rng=np.random.default_rng(0), hole_ratio=(0.3, 0.4))
    with_torch, with_onnx = Inpainter.load(weights), Inpainter.load(exported)
    assert with_onnx.training_size == with_torch.training_size == 32
    # The files are of the network; copied texture has another, whose gain can double a difference of one level.
    options = {"strategy": strategy, "feather": 3, "texture": "network"}
    results = [inpainter(photo, mask, **options) for inpainter in (with_torch, with_onnx)]
    assert (results[1][mask == 0] == photo[mask == 0]).all()
    assert np.abs(results[0].astype(int) - results[1]).max() <= 1
    assert (results[1] != photo).any()


@pytest.mark.process
@pytest.mark.parametrize("which", ["exported file", "pyramid", "bundled"])
def test_completing_on_a_cpu_never_imports_pytorch(which: str, exported: Path, tmp_path: Path) -> None:
    Image.open(COFFEE).resize((90, 70)).save(tmp_path / "photo.png")
    Image.fromarray(random_mask(70, 90, rng=np.random.default_rng(0))).save(tmp_path / "mask.png")
    arguments = ["complete", "photo.png", "--mask", "mask.png", "--output", "result.png", "--feather", "2"]
    arguments += ["--weights", str(exported) if which == "exported file" else which, "--device", "cpu"]
    program = f"import sys; from onar.cli import main; main({arguments}); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    assert (tmp_path / "result.png").exists()


def test_the_command_says_how_near_the_file_is(weights: Path, tmp_path: Path) -> None:
    said = run_onar("export", "--weights", weights, "--output", tmp_path / "new" / "model.onnx").out
    assert "333 x 517" in said
    assert "differs by" in said
    assert (tmp_path / "new" / "model.onnx").exists()


def test_safetensors_are_half_as_large_and_say_how_they_were_trained(tmp_path: Path) -> None:
    weights = tmp_path / "generator_final.pth"
    torch.manual_seed(0)
    generator = PConvUNet(16, 4, "pyramid")
    generator.state_dict()["head.2.weight"].normal_(0, 0.001)  # as after a training: corrections of some hundredths
    save_weights(weights, generator)
    (tmp_path / "config.toml").write_text("img_size = 96\ndepth = 4\n")
    (tmp_path / "log.jsonl").write_text('{"kind": "step"}\n{"kind": "epoch", "epoch": 3}\n')
    alone = tmp_path / "model.safetensors"
    assert export(str(weights), alone).difference < 2 / 255
    assert alone.stat().st_size < 0.55 * weights.stat().st_size
    assert alone.stat().st_mode == weights.stat().st_mode, "the same users may read both"
    assert load_weights(alone).record == {"recipe": "img_size = 96\ndepth = 4", "log": '{"kind": "epoch", "epoch": 3}'}
    photo = np.asarray(Image.open(COFFEE).resize((180, 140)))
    mask = random_mask(140, 180, rng=np.random.default_rng(0), hole_ratio=(0.3, 0.4))
    before, after = Inpainter.load(weights), Inpainter.load(alone)
    assert after.training_size == before.training_size == 96
    # Of the network alone: where two sources of texture are about as good, a rounding decides.
    filled = [loaded(photo, mask, texture="network").astype(int) for loaded in (before, after)]
    assert np.abs(filled[0] - filled[1]).max() <= 2
    with pytest.raises(UsageError, match=r"^int8 is for \.onnx files"):
        export(str(weights), tmp_path / "small.safetensors", int8=True)


def test_an_average_lies_between_two_weights(tmp_path: Path) -> None:
    for number in (0, 1):
        torch.manual_seed(number)
        generator = PConvUNet(4, 3, "pyramid")
        generator.state_dict()["head.2.weight"].normal_(0, 0.001)
        save_weights(tmp_path / f"{number}.pth", generator)
    first, second, blended = tmp_path / "0.pth", tmp_path / "1.pth", tmp_path / "blended.safetensors"
    export(str(first), blended, average_with=second, average_share=0.25)
    one, other, found = (load_generator(path).state_dict() for path in (first, second, blended))
    near = {"atol": 1e-3, "rtol": 1e-3, "check_dtype": False}
    for name, value in found.items():
        torch.testing.assert_close(value, 0.75 * one[name] + 0.25 * other[name], **near)
    assert load_weights(blended).record["blend"] == "0.25 of 1.pth"
    save_weights(tmp_path / "wider.pth", PConvUNet(8, 3, "pyramid"))
    with pytest.raises(OnarError, match="base_channels 8"):
        export(str(first), blended, average_with=tmp_path / "wider.pth")
    with pytest.raises(UsageError, match="average_share must be from 0 to 1, not 2"):
        export(str(first), blended, average_with=second, average_share=2)


@pytest.mark.parametrize("ending", [".onnx", ".safetensors"])
def test_a_correction_window_is_chosen_at_the_end_and_kept(ending: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = PConvUNet(4, 3, "pyramid")
    generator.state_dict()["head.2.bias"].fill_(0.2)
    save_weights(tmp_path / "weights.pth", generator)
    plain, windowed = tmp_path / f"plain{ending}", tmp_path / f"windowed{ending}"
    export(str(tmp_path / "weights.pth"), plain)
    export(str(tmp_path / "weights.pth"), windowed, correction_window=21)
    photo, mask = np.full((60, 80, 3), 100, np.uint8), np.zeros((60, 80), np.uint8)
    mask[30, 20:61] = 255  # a scratch of one pixel: a 21st of the window
    # The whole photo, because a scratch alone is for the pyramid fill.
    fills = [int(Inpainter.load(path)(photo, mask, strategy="whole")[30, 40, 0]) for path in (plain, windowed)]
    assert fills == pytest.approx([100 + 0.2 * 255, 100 + 0.2 * 255 / 21], abs=1)
    with pytest.raises(UsageError, match="correction_window must be 0 or an odd number of pixels, not 20"):
        export(str(tmp_path / "weights.pth"), windowed, correction_window=20)
    with pytest.raises(UsageError, match="correction_window is for networks"):
        export("pyramid", tmp_path / "pyramid.onnx", correction_window=21)


def test_weights_with_a_correction_window_are_a_start_for_further_training(tmp_path: Path) -> None:
    save_weights(tmp_path / "weights.pth", PConvUNet(4, 3, "pyramid"))
    export(str(tmp_path / "weights.pth"), tmp_path / "windowed.safetensors", correction_window=5)
    network = PConvUNet(4, 3, "pyramid")
    copy_into(network, load_generator(tmp_path / "windowed.safetensors"), tmp_path)
    assert network.correction_window == 0


@pytest.mark.parametrize(("error", "said"), [(0.01, r"by 1\.0e-02"), (float("nan"), "by nan")])
def test_a_file_that_differs_is_not_kept(
    error: float, said: str, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(generator: nn.Module, metadata: dict[str, str], path: Path) -> Callable[..., torch.Tensor]:
        run = export_onnx(generator, metadata, path)
        return lambda photo, known: run(photo, known) + error * (len(photo) - 1)

    monkeypatch.setitem(EXPORTERS, ".onnx", EXPORTERS[".onnx"]._replace(write=wrong))
    with pytest.raises(OnarError, match=f"differs from the original {said}"):
        export(str(weights), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_int8_is_smaller_and_says_what_it_costs(weights: Path, exported: Path, tmp_path: Path) -> None:
    result = export(str(weights), tmp_path / "model.onnx", int8=True)
    assert result.cost.calibrated + result.cost.scored == len(list(PHOTOS.glob("*.jpg")))
    assert 10 < result.cost.int8 != result.cost.float32 > 10
    assert f"costs {result.cost.float32 - result.cost.int8:.2f} dB" in str(result)
    assert result.path.stat().st_size < 0.6 * exported.stat().st_size
    assert Inpainter.load(result.path).training_size == 32
    with pytest.raises(OnarError, match=r"model\.onnx holds no weights that can be read back"):
        load_weights(result.path)


def test_int8_is_calibrated_and_scored_on_the_photos_given(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(3):
        (tmp_path / "photos" / f"{number}.jpg").write_bytes(COFFEE.read_bytes())
    cost = export(str(weights), tmp_path / "model.onnx", int8=True, calibration=tmp_path / "photos").cost
    assert (cost.calibrated, cost.scored) == (2, 1)


def test_int8_that_costs_too_much_is_not_kept(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onar.export.verb.MAX_INT8_COST", -100.0)
    with pytest.raises(OnarError, match="nothing is written: INT8"):
        export(str(weights), tmp_path / "model.onnx", int8=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"output": Path("model.tflite")}, r"must end in \.onnx"),
        ({"calibration": PHOTOS}, "calibration is for int8"),
        ({"half": True, "int8": True}, r"half is for \.onnx files without .*int8"),
        ({"half": True, "output": Path("model.safetensors")}, r"half is for \.onnx files"),
        ({"weights": "pyramid", "int8": True}, "has no weights"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: dict[str, object], said: str, weights: Path) -> None:
    with pytest.raises(UsageError, match=said):
        export(**{"weights": str(weights), "output": weights.with_name("refused.onnx"), **arguments})  # type: ignore[arg-type]
    assert not weights.with_name("refused.onnx").exists()


def test_weights_are_not_replaced_by_what_is_made_of_them(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_safetensors(path, PConvUNet(4, 3), {"format": "1", "training_size": "64"})
    before = path.read_bytes()
    with pytest.raises(UsageError, match="is the file that is read"):
        export(str(path), path)
    with pytest.raises(UsageError, match="is the file that is read"):
        convert(path, path)
    assert path.read_bytes() == before


def test_one_photo_is_too_little_for_int8(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "only.jpg").write_bytes(COFFEE.read_bytes())
    with pytest.raises(OnarError, match="2 photos at least"):
        export(str(weights), tmp_path / "model.onnx", int8=True, calibration=tmp_path / "photos")
    assert not (tmp_path / "model.onnx").exists()


def test_files_that_are_no_export_are_refused_in_one_line(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(OnarError, match="no such file"):
        Inpainter.load(tmp_path / "model.onnx")
    (tmp_path / "model.onnx").write_bytes(exported.read_bytes()[:1000])
    with pytest.raises(OnarError, match="damaged or not an ONNX file"):
        Inpainter.load(tmp_path / "model.onnx")
    model = onnx.load(exported)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(OnarError, match="not written by onar export"):
        Inpainter.load(tmp_path / "model.onnx")


def test_a_device_that_onnx_runtime_lacks_is_refused(exported: Path) -> None:
    with pytest.raises(UsageError, match="device mps is not available"):
        Inpainter.load(exported, "mps")


def test_a_missing_package_is_named_with_extra(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unloaded = ("onar.export.", "onar.models.graphs.graph")
    for name in [name for name in sys.modules if name.startswith(unloaded) and name != "onar.export.config"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    said = run_onar("export", "--weights", weights, "--output", tmp_path / "model.onnx", code=1).err
    assert 'export needs pip install "onar[train]" (onnx is missing)' in said
    assert not list(tmp_path.iterdir())


def test_the_file_follows_the_standard(exported: Path) -> None:
    model = onnx.load(exported)
    onnx.checker.check_model(model, full_check=True)
    assert [value.name for value in model.graph.input] == ["photo", "known"]
