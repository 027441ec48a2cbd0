import json
import pickle
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tomli_w
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from onar import Inpainter, TrainConfig
from onar.checkpoint import (
    load_generator,
    load_strictly,
    load_weights,
    save_safetensors,
    save_weights,
)
from onar.errors import OnarError
from onar.export.verb import export_onnx
from onar.models import GENERATORS, Discriminator, PConvUNet
from onar.models.wrapping import BASE_FILLS
from onar.settings.training import settings_to_share
from onar.system.files import replacing
from onar.weights import files as weights_files
from onar.weights.tensors import DamagedFileError, load_state, save_state
from tests.support.runs import train_small

OPTIONS = [
    {"base_channels": 8, "depth": 3},
    {"base_channels": 4, "depth": 5, "base_fill": "pyramid"},
    {"base_channels": 4, "depth": 4, "normalised": True},
    {"base_channels": 4, "depth": 2, "base_fill": "pyramid", "colour_channels": 6},
    {"base_channels": 4, "depth": 3, "base_fill": "pyramid", "channels": 1},
]


def one_line_about(path: Path, start: str = r"[^\n]*") -> str:
    """A pattern of messages."""
    return rf"^{start}{re.escape(str(path))}[^\n]*\Z"


@pytest.mark.parametrize("options", OPTIONS)
def test_the_weights_are_a_plain_state_dict(tmp_path: Path, options: dict) -> None:
    network = PConvUNet(**options)
    save_weights(tmp_path / "generator.pth", network)
    again = PConvUNet(**options)
    again.load_state_dict(torch.load(tmp_path / "generator.pth"))
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("options", OPTIONS)
def test_the_architecture_of_a_bare_file_is_inferred(tmp_path: Path, options: dict) -> None:
    network = PConvUNet(**options).eval()
    save_weights(tmp_path / "generator.pth", network)
    again = load_generator(tmp_path / "generator.pth")
    photo, known = torch.rand(1, network.channels, 32, 32), torch.ones(1, 1, 32, 32)
    assert again.architecture == network.architecture
    assert not again.training
    assert torch.equal(again(photo, known), network(photo, known))


@pytest.mark.parametrize("options", OPTIONS)
def test_weights_of_a_network_in_data_parallel_load(tmp_path: Path, options: dict) -> None:
    network = PConvUNet(**options).eval()
    torch.save(torch.nn.DataParallel(network).state_dict(), tmp_path / "generator.pth")
    again = load_generator(tmp_path / "generator.pth")
    assert again.architecture == network.architecture
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in network.state_dict().items())


def test_safetensors_in_half_precision_load_into_float32(tmp_path: Path) -> None:
    network = PConvUNet(8, 3)
    state = {name: value.half() if value.is_floating_point() else value for name, value in network.state_dict().items()}
    text = '{"generator": "PConvUNet", "base_channels": 8, "depth": 3, "base_fill": "none"}'
    save_file(state, tmp_path / "generator.safetensors", {"architecture": text})
    again = load_generator(tmp_path / "generator.safetensors")
    assert {value.dtype for value in again.parameters()} == {torch.float32}
    torch.testing.assert_close(again.state_dict(), network.state_dict(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("ending", [".SAFETENSORS", ".Onnx"])
def test_an_ending_may_have_capitals(tmp_path: Path, ending: str) -> None:
    path, network = tmp_path / f"generator{ending}", PConvUNet(4, 3)
    if ending == ".Onnx":
        export_onnx(network, {"training_size": "64"}, path)
    else:
        save_safetensors(path, network, {"training_size": "64"}, torch.float16)
        assert load_weights(path).training_size == 64
    assert Inpainter.load(path, "cpu").training_size == 64


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Malice:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "owned",))

    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"encoder.0.conv.weight": Malice()}))
    torch.save({"encoder.0.conv.weight": Malice()}, tmp_path / "evil_zip.pth")
    for name in ("evil.pth", "evil_zip.pth"):
        with pytest.raises(OnarError, match="refused"):
            load_generator(tmp_path / name)
    assert not (tmp_path / "owned").exists()


def test_another_network_is_named(tmp_path: Path) -> None:
    save_weights(tmp_path / "discriminator.pth", Discriminator(32, 4))
    with pytest.raises(OnarError, match=r"not a PConvUNet: it has no encoder\.0.*layers\.0\.weight"):
        load_generator(tmp_path / "discriminator.pth")


def test_loading_is_strict(tmp_path: Path) -> None:
    state = PConvUNet(8, 3).state_dict()
    for wrong, said in [
        ({**state, "extra": torch.ones(1)}, "unknown extra"),
        ({name: value for name, value in state.items() if name != "decoder.2.conv.bias"}, "no decoder.2.conv.bias"),
        ({**state, "decoder.2.conv.bias": torch.ones(4)}, r"\(4,\), not \(3,\)"),
    ]:
        with pytest.raises(OnarError, match=said):
            load_strictly(PConvUNet(8, 3), wrong, tmp_path / "generator.pth")


@pytest.mark.parametrize("size", [0, 100, -100])
def test_a_truncated_file_is_one_line(tmp_path: Path, size: int) -> None:
    whole = tmp_path / "generator.pth"
    save_weights(whole, PConvUNet(8, 3))
    for cut in (whole, whole.with_suffix(".safetensors")):
        cut.write_bytes(whole.read_bytes()[:size])
        with pytest.raises(OnarError, match=one_line_about(cut)):
            load_generator(cut)


@pytest.mark.parametrize("position", [*np.linspace(0, 1, 40, endpoint=False), 1])
def test_a_changed_bit_is_noticed_wherever_it_is(tmp_path: Path, position: float) -> None:
    path = tmp_path / "state.pt"
    save_state(path, {"weights": torch.arange(1000.0), "step": 1})
    content = bytearray(path.read_bytes())
    content[min(int(position * len(content)), len(content) - 1)] ^= 4
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=str(path)):
        load_state(path, sealed=True)


@pytest.mark.parametrize("missing", [1, 10, 53, 54, 55, 1000])
def test_a_cut_off_end_is_noticed(tmp_path: Path, missing: int) -> None:
    path = tmp_path / "state.pt"
    save_state(path, {"weights": torch.arange(1000.0)})
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(DamagedFileError, match="cut off"):
        load_state(path, sealed=True)


def test_a_seal_that_is_there_must_fit_and_files_from_elsewhere_need_none(tmp_path: Path) -> None:
    ours, foreign = tmp_path / "ours.pth", tmp_path / "foreign.pth"
    save_state(ours, {"weights": torch.zeros(1000)})
    torch.save({"weights": torch.zeros(1000)}, foreign)
    assert torch.equal(load_state(foreign)["weights"], torch.zeros(1000))
    ours.write_bytes(ours.read_bytes().replace(bytes(100), b"\1" + bytes(99), 1))
    assert torch.load(ours)["weights"].sum() != 0  # torch does not notice
    with pytest.raises(DamagedFileError, match="SHA-256"):
        load_state(ours)


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_a_checkpoint_is_the_weights_that_the_run_would_leave(photos: Path, tmp_path: Path, ema_decay: float) -> None:
    final = train_small(photos, tmp_path, epochs=1, lambda_content=0.0, img_size=40, ema_decay=ema_decay)
    found = load_weights(next((tmp_path / "checkpoints").glob("*.pt")))
    pairs = zip(found.generator.state_dict().values(), load_generator(final).state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert found.training_size == 40


FOREIGN = {
    "another program": 'task = "detect"\nbatch = 16\n',
    "another program's size": 'img_size = "auto"\n',
    "a newer Onar": "img_size = 64\ndepth = 5\nnew_setting = 3\n",
    "no TOML": "img_size: 64\n",
    "another network": "img_size = 640\ndepth = 8\n",
}


@pytest.mark.parametrize("text", FOREIGN.values(), ids=FOREIGN)
def test_weights_load_beside_a_configuration_of_another_program(text: str, tmp_path: Path) -> None:
    save_weights(tmp_path / "generator.pth", PConvUNet(4, 5))
    (tmp_path / "config.toml").write_text(text)
    (tmp_path / "log.jsonl").write_bytes(b'\xff\n{"kind": "epoch"}\n7\n')
    loaded = load_weights(tmp_path / "generator.pth")
    assert loaded.training_size == 64
    assert "log" not in loaded.record
    assert "new_setting" not in loaded.record.get("recipe", "")


def test_weights_say_how_they_were_trained_without_the_names_of_files_here(tmp_path: Path) -> None:
    config = TrainConfig(
        data=tmp_path / "photos of Gökçe", val_data="hf:ethz/food101", masks=tmp_path / "masks",
        results_dir=tmp_path / "runs", resume=tmp_path / "checkpoints" / "step_00000001.pt",
        init_weights="bundled", img_size=64, depth=5,
    )  # fmt: skip
    save_weights(tmp_path / "generator.pth", PConvUNet(4, 5))
    (tmp_path / "config.toml").write_text(tomli_w.dumps(config.to_plain()))
    record = load_weights(tmp_path / "generator.pth").record
    assert str(tmp_path) not in record["recipe"]
    assert "Gökçe" not in record["recipe"]
    recipe = tomllib.loads(record["recipe"])
    assert (recipe["val_data"], recipe["init_weights"], recipe["img_size"]) == ("hf:ethz/food101", "bundled", 64)
    for local in ("hf:parquet:/home/me/photos.parquet", "hf:imagefolder:photos", "hf:./photos"):
        assert settings_to_share({"data": local}) == {}
    assert str(tmp_path).encode() not in (tmp_path / "generator.pth").read_bytes()


def test_what_is_said_of_generators_is_what_they_take() -> None:
    said: dict[str, set[str]] = {name: set() for name in GENERATORS}
    for arguments in (dict(build(**small).architecture) for build in GENERATORS.values() for small in build.small):
        name = arguments.pop("generator")
        said[name] |= arguments.keys()
        assert all(GENERATORS[name].arguments[key](value) for key, value in arguments.items())
    assert said == {name: set(generator.arguments) for name, generator in GENERATORS.items()}
    assert all(GENERATORS["PConvUNet"].arguments["base_fill"](fill) for fill in BASE_FILLS)


USUAL = {"generator": "PConvUNet", "base_channels": 4, "depth": 3, "base_fill": "pyramid", "correction_window": 0}
NEW_ARCHITECTURES = {
    "a generator": {**USUAL, "generator": "Diffusion"},
    "an argument": {**USUAL, "attention": True},
    "a value": {**USUAL, "base_fill": "diffusion"},
    "a type": {**USUAL, "depth": "deep"},
    "a depth": {**USUAL, "depth": 10**9},
    "a window": {**USUAL, "correction_window": 4},
    "no object": [USUAL],
}


@pytest.mark.parametrize("device", ["cpu", "torch"])
@pytest.mark.parametrize(
    ("architecture", "metadata", "extra"),
    [
        *(pytest.param(new, {}, [], id=name) for name, new in NEW_ARCHITECTURES.items()),
        pytest.param(USUAL, {"format": "2"}, [], id="a format"),
        pytest.param(USUAL, {"format": "next"}, [], id="no format"),
        pytest.param(USUAL, {"training_size": "large"}, [], id="a size"),
        pytest.param(USUAL, {}, ["attention.weight"], id="a weight"),
    ],
)
def test_what_this_version_does_not_know_of_a_weights_file_is_one_line(
    device: str, architecture: object, metadata: dict[str, str], extra: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "newer.safetensors"
    state = PConvUNet(4, 3, "pyramid").state_dict() | {name: torch.zeros(3) for name in extra}
    save_file(state, path, {"architecture": json.dumps(architecture), **metadata})
    with pytest.raises(OnarError, match=one_line_about(path, start="")) as error:
        load_generator(path) if device == "torch" else Inpainter.load(path, "cpu")
    assert re.search("newer Onar|does not know|does not say", str(error.value))


@pytest.mark.parametrize("device", ["cpu", "torch"])
def test_a_type_of_numbers_that_is_not_read_is_said(device: str, tmp_path: Path) -> None:
    path = tmp_path / "brain.safetensors"
    save_safetensors(path, PConvUNet(4, 3), {}, torch.bfloat16)
    with pytest.raises(OnarError, match="holds numbers of a type that cannot be read here: save it in float16"):
        load_generator(path) if device == "torch" else Inpainter.load(path, "cpu")


@pytest.mark.parametrize("weight", ["encoder.0.conv.weight", "decoder.2.conv.bias", "head.2.weight", "head.2.bias"])
def test_weights_of_other_shapes_are_refused_before_they_run(weight: str, tmp_path: Path) -> None:
    path, network = tmp_path / "other.safetensors", PConvUNet(4, 3, "pyramid")
    state = network.state_dict()
    state[weight] = torch.cat([state[weight], state[weight][:1]])
    save_file(state, path, {"architecture": json.dumps(network.architecture)})
    with pytest.raises(OnarError, match=r"other\.safetensors (does not fit PConvUNet|holds weights that do not fit)"):
        Inpainter.load(path, "cpu")


@pytest.mark.parametrize("device", ["cpu", "torch"])
@pytest.mark.parametrize("metadata", [{"format": "pt"}, {"format": "np"}, None])
def test_weights_of_others_are_not_a_newer_onars(device: str, metadata: dict[str, str] | None, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"conv.weight": torch.zeros(3)}, path, metadata)
    with pytest.raises(OnarError, match="does not say its architecture in its metadata"):
        load_generator(path) if device == "torch" else Inpainter.load(path, "cpu")


def test_a_value_that_no_network_takes_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "newer.safetensors"
    architecture = {**USUAL, "base_fill": "none", "correction_window": 3}
    save_file(PConvUNet(4, 3).state_dict(), path, {"architecture": json.dumps(architecture)})
    with pytest.raises(OnarError, match=r"correction_window needs a network with .*written by a newer Onar"):
        load_generator(path)


@pytest.mark.parametrize(
    "content",
    [
        {"encoder.0.conv.weight": "text"},
        {**PConvUNet(4, 3).state_dict(), "decoder.0.conv.weight": [1, 2]},
        {**PConvUNet(4, 3).state_dict(), 7: torch.zeros(1)},
        {"gan": 3},
        {"gan": {"generator": 3}},
        {"gan": {"generator": PConvUNet(4, 3).state_dict()}, "format": 2},
        {"state_dict": PConvUNet(4, 3).state_dict()},
    ],
)
def test_a_state_dict_of_another_kind_is_one_line(content: dict, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(OnarError, match=one_line_about(tmp_path / "other.pth")):
        load_generator(tmp_path / "other.pth")


@pytest.mark.parametrize("kind", ["generator.pth", "generator.safetensors"])
def test_a_weights_file_is_opened_once(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, opened = tmp_path / kind, []
    if path.suffix == ".pth":
        save_weights(path, PConvUNet(4, 3))
    else:
        save_safetensors(path, PConvUNet(4, 3), {"training_size": "64", "recipe": "img_size = 64"}, torch.float16)
    monkeypatch.setattr(weights_files, "safe_open", lambda *a, **k: opened.append(a[0]) or safe_open(*a, **k))
    open_path = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a, **k: opened.append(self) or open_path(self, *a, **k))
    loaded = load_weights(path)
    assert (loaded.training_size, loaded.record) in [(16, {}), (64, {"recipe": "img_size = 64"})]
    assert opened.count(path) == 1


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    for name in ("none.pth", "none.safetensors"):
        with pytest.raises(OnarError, match="No such file"):
            load_generator(tmp_path / name)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    save_state(path, {"step": 1})
    with pytest.raises(KeyError), replacing(path) as temporary:
        temporary.write_text({}["half a file"])
    with pytest.raises(OnarError, match="cannot write"), replacing(path) as temporary:
        (temporary / "not a folder").write_text("")
    assert (load_state(path), list(tmp_path.iterdir())) == ({"step": 1}, [path])
