"""Shared fixtures. Tests take photos from the package; larger sets beside the repository are used when present."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from onar.data.batches import end_readers
from tests.support.made_once import made_once
from tests.support.runs import SMALL

pytest_plugins = ["tests.support.browser"]

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED_DATA = REPOSITORY.parent / "shared" / "data"
PHOTOS = REPOSITORY / "src" / "onar" / "assets" / "photos"


def pytest_configure() -> None:
    # Several test processes share the machine: one thread each is faster than many fighting.
    os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that tests start
    os.environ["LANGUAGE"] = "en"  # of messages
    os.environ["ONAR_CACHE"] = "off"  # tests write to their own folders only
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    # Under nohup or in the background a shell has these ignored, and what tests start would inherit that.
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(autouse=True)
def readers_end() -> Iterator[None]:
    """Reading processes hold the pipes of everything that the test process has started, such as the browser's."""
    yield
    end_readers()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten real photos in two folders, small enough to be read quickly."""

    def make(folder: Path) -> None:
        for number, path in enumerate(sorted(PHOTOS.glob("*.jpg"))[:10]):
            place = folder / "album" if number % 2 else folder
            place.mkdir(parents=True, exist_ok=True)
            Image.open(path).resize((96, 64)).save(place / path.name)

    return made_once(tmp_path_factory, "photos", make)


@pytest.fixture(scope="session")
def finished(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of a run of two epochs, with the pictures of both; to be copied, not changed."""
    from onar import TrainConfig, train  # here, because most tests need no training

    def make(results: Path) -> None:
        train(TrainConfig(data=photos, results_dir=results, **{**SMALL, "sample_every": 1}))

    return made_once(tmp_path_factory, "results", make)


@pytest.fixture(scope="session")
def bundled_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page as a folder, with the bundled weights; to be copied, not changed."""
    from onar.export.verb import export

    return made_once(tmp_path_factory, "bundled_site", lambda folder: export("bundled", folder, format="web"))


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small network, whose fill is near the one that it begins as."""
    from onar import PConvUNet
    from onar.checkpoint import save_weights

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = PConvUNet(4, 3, "pyramid")
        torch.nn.init.normal_(network.head[-1].weight, std=0.003)  # what starts at zero hides what the others compute
    path = tmp_path_factory.mktemp("weights") / "small.pth"
    save_weights(path, network)
    return path


@pytest.fixture(scope="session")
def small_site(small_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page as a folder with one's own weights, which start faster; to be copied, not changed."""
    from onar.export.verb import export

    return made_once(tmp_path_factory, "small_site", lambda folder: export(str(small_weights), folder, format="web"))


@pytest.fixture
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the photo and mask sets in {SHARED_DATA}")
    return SHARED_DATA


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_handlecrashitem(crashitem: str, report: pytest.TestReport, sched: Any) -> None:
    """End the run when a worker dies: by itself, pytest-xdist lets the others finish all that they have been given."""
    sched.config.hook.pytest_runtest_logreport(report=report)
    pytest.exit(f"a worker died in {crashitem}", 1)


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "playwright" in item.fixturenames:
            item.add_marker(pytest.mark.browser)
        if item.get_closest_marker("cuda") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
    # What takes long comes first, so that the workers end at the same time.
    long = {item.path for item in items if item.get_closest_marker("browser") or item.get_closest_marker("process")}
    items.sort(key=lambda item: item.path not in long)
