"""One server for all tests that need no special one; modules with another override `server`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from onar.checkpoint import save_weights
from onar.models import PConvUNet
from tests.support.server import Server, running_server

HOST_NAME = "photos.example.org"


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's folder of other weights."""
    folder = tmp_path_factory.mktemp("weights")
    save_weights(folder / "generator_small.pth", PConvUNet(base_channels=4, depth=3))
    return folder


@pytest.fixture(scope="session")
def results_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's folder of trainings; it does not exist at first."""
    return tmp_path_factory.mktemp("trainings") / "koşu ile"


@pytest.fixture(scope="session")
def server(weights_folder: Path, results_root: Path) -> Iterator[Server]:
    flags = ("--weights", "pyramid", "--weights_dir", weights_folder, "--results_dir", results_root)
    limits = ("--max_megapixels", 10, "--max_body_megabytes", 20, "--allowed_hosts", HOST_NAME)
    with running_server(*flags, *limits) as server:
        yield server
