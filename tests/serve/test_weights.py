"""The weights to choose from."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from onar.checkpoint import save_weights
from onar.errors import OnarError, UsageError
from onar.models import PConvUNet
from onar.serve.weights import WeightsShelf


def save_small(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    save_weights(path, PConvUNet(base_channels=4, depth=3))


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
