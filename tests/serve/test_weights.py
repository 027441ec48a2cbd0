"""The weights to choose from."""

import pickle
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch
from warnings import catch_warnings

import numpy as np
import onnx
import pytest
import torch

from onar.checkpoint import save_weights
from onar.errors import OnarError, UsageError
from onar.export.verb import export
from onar.models import PConvUNet
from onar.serve.weights import WeightsShelf
from onar.weights.bundled import bundled_weights, texture_weights
from onar.weights.catalogue import CATALOGUE
from onar.weights.metadata import is_own_onnx
from tests.support.public_networks import write_network


def save_small(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    save_weights(path, PConvUNet(base_channels=4, depth=3))


@pytest.fixture(autouse=True)
def no_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user who runs the tests may have downloaded weights."""
    monkeypatch.setattr("onar.weights.store.store_folder", lambda: tmp_path / "no store")


def a_shelf(folder: Path | None) -> WeightsShelf:
    return WeightsShelf("pyramid", "cpu", folder)


def test_weights_are_found_by_name_and_new_ones_without_a_restart(tmp_path: Path) -> None:
    shelf = a_shelf(tmp_path)
    assert shelf.names() == ["pyramid", "bundled"]
    save_small(tmp_path / "run" / "generator_final.pth")
    save_small(tmp_path / "run" / "discriminator_final.pth")
    (tmp_path / "MODEL.ONNX").touch()
    assert shelf.names() == ["pyramid", "MODEL.ONNX", "run/generator_final.pth", "bundled"]
    photo, hole = np.full((16, 16, 3), 100, np.uint8), np.eye(16, dtype=bool)
    assert np.array_equal(shelf.choose("run/generator_final.pth")(photo, hole)[~hole], photo[~hole])


def test_weights_stay_loaded_until_their_file_changes(tmp_path: Path) -> None:
    shelf = a_shelf(tmp_path)
    save_small(tmp_path / "generator_final.pth")
    first = shelf.choose("generator_final.pth")
    assert shelf.choose("generator_final.pth") is first
    (tmp_path / "generator_final.pth").unlink()
    save_small(tmp_path / "generator_final.pth")
    assert shelf.choose("generator_final.pth") is not first
    assert shelf.choose() is shelf.choose("pyramid")


def test_weights_chosen_in_turn_stay_loaded_as_long_as_their_files_are_small_enough(tmp_path: Path) -> None:
    names = [f"generator_{number}.pth" for number in range(3)]
    for name in names:
        save_small(tmp_path / name)
    size = (tmp_path / names[0]).stat().st_size
    shelf = replace(a_shelf(tmp_path), loaded_bytes=2.5 * size)
    first, second = (shelf.choose(name) for name in names[:2])
    for _ in range(2):
        assert (shelf.choose(names[0]), shelf.choose(names[1])) == (first, second)
    shelf.choose(names[2])  # instead of the one that was used before the others
    assert shelf.choose(names[1]) is second
    assert shelf.choose(names[0]) is not first
    none = replace(shelf, loaded_bytes=0)
    assert none.choose(names[2]) is none.choose(names[2])


def test_a_pickled_shelf_offers_the_same_and_loads_in_its_process(tmp_path: Path) -> None:
    save_small(tmp_path / "generator_final.pth")
    sent = pickle.loads(pickle.dumps(a_shelf(tmp_path)))
    assert (sent.names(), sent.load()) == (["pyramid", "generator_final.pth", "bundled"], "the pyramid fill")
    assert "generator_final.pth" in sent.choose("generator_final.pth").description


@pytest.mark.parametrize("name", ["../secret/generator_final.pth", "/etc/passwd", "run/discriminator_final.pth", "."])
def test_only_offered_weights_are_loaded(tmp_path: Path, name: str) -> None:
    save_small(tmp_path / "secret" / "generator_final.pth")
    save_small(tmp_path / "weights" / "discriminator_final.pth")
    with pytest.raises(UsageError, match="no weights"):
        a_shelf(tmp_path / "weights").choose(name)


def test_weights_that_fail_to_load_are_reported_without_path(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "broken.safetensors").write_bytes(b"none")
    with pytest.raises(OnarError) as raised:
        a_shelf(tmp_path).choose("broken.safetensors")
    assert str(raised.value) == "the weights broken.safetensors cannot be loaded; the server's log says more"
    assert str(tmp_path) in caplog.text


def test_a_missing_folder_of_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(OnarError, match=r"--weights_dir .*nowhere: no such folder"):
        a_shelf(tmp_path / "nowhere")


# ---------------------------------------------------------------- public networks


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of downloaded weights, with the file of `lama`."""
    folder = tmp_path / "store"
    folder.mkdir()
    for module in ("store", "choices"):
        monkeypatch.setattr(f"onar.weights.{module}.store_folder", lambda: folder)
    write_network(folder / CATALOGUE["lama"].file, "lama", 64)
    return folder


def test_downloaded_weights_are_offered_and_fill(store: Path) -> None:
    shelf = a_shelf(None)
    assert shelf.names() == ["pyramid", "lama", "bundled"]
    photo, hole = np.full((64, 64, 3), 100, np.uint8), np.zeros((64, 64), bool)
    hole[20:40, 20:40] = True
    photo[hole] = 0
    assert (shelf.choose("lama")(photo, hole) == 100).all()
    (store / CATALOGUE["lama"].file).unlink()
    assert shelf.names() == ["pyramid", "bundled"]
    with pytest.raises(UsageError, match="no weights"):
        shelf.choose("lama")


def test_each_choice_says_what_it_is_and_its_licence(store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    save_small(folder / "generator_final.pth")
    export(str(folder / "generator_final.pth"), folder / "own.onnx")
    write_network(folder / "foreign.onnx", "migan", None)
    (folder / "broken.onnx").write_bytes(b"\xff" * 100)
    write_network(folder / CATALOGUE["migan"].file, "migan", None)
    known = replace(CATALOGUE["migan"], size=(folder / CATALOGUE["migan"].file).stat().st_size)
    with patch.dict(CATALOGUE, migan=known):
        choices = {one.name: (one.kind, one.licence) for one in a_shelf(folder).choices()}
    assert choices == {
        "pyramid": ("pyramid", None),
        "broken.onnx": ("public", "of its authors"),
        "foreign.onnx": ("public", "of its authors"),
        "generator_final.pth": ("trained", None),
        "migan_pipeline_v2.onnx": ("migan", "MIT"),
        "own.onnx": ("trained", None),
        "lama": ("lama", "Apache-2.0"),
        "bundled": ("bundled", "MIT"),
    }
    assert all(one.about for one in a_shelf(folder).choices())


@pytest.mark.parametrize("file", [bundled_weights(), texture_weights()])
def test_onar_s_own_onnx_files_are_recognised_by_their_metadata(file: Path) -> None:
    named = {entry.key for entry in onnx.load(file).metadata_props}
    assert is_own_onnx(file) == ("training_size" in named)


def test_a_file_that_is_no_onnx_is_read_to_its_end_at_most(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        (tmp_path / "any.onnx").write_bytes(rng.bytes(int(rng.integers(0, 60))))
        with suppress(OSError):  # a length beyond all files
            assert not is_own_onnx(tmp_path / "any.onnx")


def test_others_than_the_allowed_weights_are_neither_listed_nor_loaded(store: Path, tmp_path: Path) -> None:
    save_small(tmp_path / "weights" / "generator_final.pth")
    shelf = WeightsShelf("pyramid", "cpu", tmp_path / "weights", allowed=("lama",))
    assert shelf.names() == [one.name for one in shelf.choices()] == ["pyramid", "lama"]
    for name in ("bundled", "generator_final.pth", CATALOGUE["lama"].file):
        with pytest.raises(UsageError, match="no weights"):
            shelf.choose(name)
    assert shelf.choose("lama").training_size == 64


def test_allowed_weights_that_are_not_here_are_named_at_the_start(store: Path) -> None:
    with pytest.raises(UsageError, match="allow_weights nothing: there are no such weights, but pyramid, lama"):
        WeightsShelf("pyramid", allowed=("nothing",))
    with pytest.raises(OnarError, match="onar weights get migan"):
        WeightsShelf("pyramid", allowed=("migan",))


def test_a_server_runs_no_torchscript(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with catch_warnings(action="ignore", category=FutureWarning):
        torch.jit.trace(torch.nn.Identity(), torch.zeros(1)).save(tmp_path / "generator_big.pth")
    with pytest.raises(UsageError, match="a server runs none"):
        WeightsShelf(str(tmp_path / "generator_big.pth")).load()
    with pytest.raises(OnarError, match="cannot be loaded"):
        a_shelf(tmp_path).choose("generator_big.pth")
    assert "a server runs none" in caplog.text
