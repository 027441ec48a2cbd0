import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from onar import TrainConfig, train
from onar.checkpoint import load_generator, load_strictly, save_weights, training_size
from onar.errors import OnarError
from onar.files import replacing
from onar.models import Discriminator, PConvUNet
from onar.tensor_files import DamagedFileError, load_state, save_state
from tests.runs import SMALL

OPTIONS = [{"base_channels": 8, "depth": 3}, {"base_channels": 4, "depth": 5, "base_fill": "pyramid"}]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_weights_are_a_plain_state_dict(tmp_path: Path, options: dict) -> None:
    network = PConvUNet(**options)
    save_weights(tmp_path / "generator.pth", network)
    again = PConvUNet(**options)
    again.load_state_dict(torch.load(tmp_path / "generator.pth"))
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("options", OPTIONS)
def test_a_bare_file_tells_its_architecture(tmp_path: Path, options: dict) -> None:
    network = PConvUNet(**options).eval()
    save_weights(tmp_path / "generator.pth", network)
    again = load_generator(tmp_path / "generator.pth")
    photo, known = torch.rand(1, 3, 32, 32), torch.ones(1, 1, 32, 32)
    assert again.architecture == network.architecture
    assert not again.training
    assert torch.equal(again(photo, known), network(photo, known))


def test_safetensors_in_half_precision_load_into_float32(tmp_path: Path) -> None:
    network = PConvUNet(8, 3)
    state = {name: value.half() if value.is_floating_point() else value for name, value in network.state_dict().items()}
    text = '{"generator": "PConvUNet", "base_channels": 8, "depth": 3, "base_fill": "none"}'
    save_file(state, tmp_path / "generator.safetensors", {"architecture": text})
    again = load_generator(tmp_path / "generator.safetensors")
    assert {value.dtype for value in again.parameters()} == {torch.float32}
    torch.testing.assert_close(again.state_dict(), network.state_dict(), rtol=1e-3, atol=1e-3)


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
        with pytest.raises(OnarError) as refusal:
            load_generator(cut)
        assert str(cut) in str(refusal.value)
        assert "\n" not in str(refusal.value)


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
    content = ours.read_bytes()
    ours.write_bytes(content.replace(bytes(100), b"\1" + bytes(99), 1))
    assert torch.load(ours)["weights"].sum() != 0  # torch does not notice
    with pytest.raises(DamagedFileError, match="SHA-256"):
        load_state(ours)


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_a_checkpoint_serves_as_weights_and_is_what_the_run_would_leave(
    photos: Path, tmp_path: Path, ema_decay: float
) -> None:
    settings = {**SMALL, "epochs": 1, "lambda_content": 0.0, "img_size": 40}
    train(TrainConfig(data=photos, results_dir=tmp_path, **settings, ema_decay=ema_decay))
    checkpoint = next((tmp_path / "checkpoints").glob("*.pt"))
    found, final = load_generator(checkpoint), load_generator(tmp_path / "generator_final.pth")
    pairs = zip(found.state_dict().values(), final.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert training_size(checkpoint, found) == 40


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
    assert load_state(path) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]
