"""Process-wide settings are shared among threads, and restored."""

import os
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from onar import CompletionConfig, Inpainter, Job, PConvUNet, UsageError, complete_files
from onar.fills.patches import copy_patches
from onar.imaging.images import open_photo
from onar.system.state import (
    cpu_threads,
    environment,
    evaluating,
    opencv_alone,
    pillow_opens,
    quiet_pillow,
    timed_convolutions,
)
from tests.conftest import PHOTOS

CHELSEA = PHOTOS / "skimage_chelsea.jpg"
THREADS = 6


def in_threads(work: Callable[[int], Any], count: int) -> list[Any]:
    """The results of work for each number, started simultaneously."""
    together = threading.Barrier(min(count, THREADS))

    def begin(number: int) -> Any:
        if number < THREADS:
            together.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as executor:
        return list(executor.map(begin, range(count)))


def photo_with_hole() -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    photo = np.array(Image.open(CHELSEA).resize((90, 60)))
    hole = np.zeros((60, 90), bool)
    hole[10:50, 20:70] = True
    return photo, hole


# ---------------------------------------------------------------- seeds
def test_threads_with_different_seeds_get_the_fills_of_their_seeds() -> None:
    photo, hole = photo_with_hole()
    alone = [copy_patches(photo, hole, 3, seed) for seed in range(4)]
    assert len({fill.tobytes() for fill in alone}) == 4
    filled = in_threads(lambda number: copy_patches(photo, hole, 3, number % 4), 48)
    assert all(np.array_equal(fill, alone[number % 4]) for number, fill in enumerate(filled))


def test_an_inpainter_in_threads_with_different_seeds_completes_as_alone() -> None:
    photo, hole = photo_with_hole()
    inpainter = Inpainter.load()
    alone = [inpainter(photo, hole, texture="patches", seed=seed) for seed in range(3)]
    completed = in_threads(lambda number: inpainter(photo, hole, texture="patches", seed=number % 3), 12)
    assert all(np.array_equal(one, alone[number % 3]) for number, one in enumerate(completed))


@pytest.mark.parametrize("seed", [-1, 2**32, 2**63])
def test_a_seed_that_patchmatch_would_take_for_another_is_refused(seed: int) -> None:
    photo, hole = photo_with_hole()
    with pytest.raises(UsageError, match=r"^seed must be at least 0 and below 2\^32"):
        Inpainter.load("pyramid")(photo, hole, seed=seed)
    with pytest.raises(UsageError, match=r"^seed must be"):
        CompletionConfig(seed=seed)


# ---------------------------------------------------------------- Pillow
@pytest.fixture
def unchanged() -> Any:
    """A check that Pillow's limit and the filters of warnings are what they were."""
    limit, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)

    def check() -> None:
        assert limit == Image.MAX_IMAGE_PIXELS
        assert filters == list(warnings.filters)

    return check


@pytest.mark.parametrize("max_megapixels", [200, 1000])
def test_threads_change_no_process(tmp_path: Path, unchanged: Callable[[], None], max_megapixels: float) -> None:
    photo, hole = photo_with_hole()
    Image.fromarray(photo).save(tmp_path / "photo.png")
    Image.fromarray(hole).save(tmp_path / "mask.png")
    inpainter, config = Inpainter.load("pyramid"), CompletionConfig(max_megapixels=max_megapixels)

    def complete(number: int) -> Any:
        job = Job(tmp_path / "photo.png", tmp_path / "mask.png", tmp_path / f"{number}.png")
        return [outcome.error for outcome in complete_files([job], inpainter, config)]

    assert in_threads(complete, 24) == [[None]] * 24
    unchanged()


def test_abandoned_outcomes_leave_the_process_as_it_was(tmp_path: Path, unchanged: Callable[[], None]) -> None:
    jobs = [Job(CHELSEA, tmp_path / "none.png", tmp_path / f"{number}.png") for number in range(3)]
    outcomes = complete_files(jobs, Inpainter.load("pyramid"), CompletionConfig(max_megapixels=1000, workers=0))
    next(outcomes)
    unchanged()


def test_opening_photos_in_threads_leaves_the_process_as_it_was(unchanged: Callable[[], None]) -> None:
    def read(_number: int) -> None:
        with open_photo(CHELSEA, 10**9) as photo:
            photo.read()

    in_threads(read, 60)
    unchanged()


def test_pillows_limit_is_raised_while_anybody_needs_it_and_a_new_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pillow_opens(500):
        assert Image.MAX_IMAGE_PIXELS == 1000
        with pillow_opens(5000):
            assert Image.MAX_IMAGE_PIXELS == 2500
            with pillow_opens(inf):
                assert Image.MAX_IMAGE_PIXELS is None
        assert Image.MAX_IMAGE_PIXELS == 1000
        Image.MAX_IMAGE_PIXELS = 700  # by another program
    assert Image.MAX_IMAGE_PIXELS == 700


def test_warnings_are_kept_from_people_in_the_thread_that_asks_for_it_alone(unchanged: Callable[[], None]) -> None:
    def warn() -> None:
        warnings.warn_explicit("of Pillow", UserWarning, "a.py", 1, module="PIL.Image", registry={})

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet_pillow():
            warn()
            warnings.warn_explicit("of another", UserWarning, "a.py", 2, module="other", registry={})
            with ThreadPoolExecutor(1) as other:
                other.submit(warn).result()
        warn()
    assert [str(warning.message) for warning in caught] == ["of another", "of Pillow", "of Pillow"]
    unchanged()


# ---------------------------------------------------------------- torch, OpenCV, the environment
def test_threads_of_torch_are_what_they_were_after_blocks_that_overlap() -> None:
    before, first_in, first_out = torch.get_num_threads(), threading.Event(), threading.Event()

    def first() -> None:
        with cpu_threads(3):
            first_in.set()
            assert first_out.wait(timeout=30)

    def second() -> int:
        with cpu_threads(2):
            first_out.set()
            done.result(timeout=30)
        return torch.get_num_threads()

    with ThreadPoolExecutor(2) as executor:
        done = executor.submit(first)
        assert first_in.wait(timeout=30)
        assert executor.submit(second).result(timeout=30) == before
    with ThreadPoolExecutor(1) as fresh:  # takes over what was set last
        assert fresh.submit(torch.get_num_threads).result() == before


def test_threads_of_opencv_come_back_when_the_last_block_ends() -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        with opencv_alone():
            with opencv_alone():
                pass
            assert cv2.getNumThreads() == 1
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)


def test_variables_of_the_environment_are_there_for_a_block_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SET_BEFORE", "mine")
    monkeypatch.delenv("NOT_SET", raising=False)
    with environment({"SET_BEFORE": "other", "NOT_SET": "other"}):
        assert (os.environ["SET_BEFORE"], os.environ["NOT_SET"]) == ("mine", "other")
    assert os.environ["SET_BEFORE"] == "mine"
    assert "NOT_SET" not in os.environ


# ---------------------------------------------------------------- a caller's network
def small_network() -> PConvUNet:
    torch.manual_seed(0)
    network = PConvUNet(base_channels=4, depth=3)
    network.train()
    network.encoder[1].eval()  # as a frozen part is
    return network


def test_a_callers_network_stays_in_its_mode_and_layout() -> None:
    photo, hole = photo_with_hole()
    network = small_network()
    modes = [module.training for module in network.modules()]
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    inpainter = Inpainter(network)
    in_threads(lambda _number: inpainter(photo, hole), 12)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    assert all(weight.is_contiguous() for weight in network.parameters())


def test_a_network_completes_in_evaluation_and_with_the_weights_it_has_then() -> None:
    photo, hole = photo_with_hole()
    network = small_network()
    inpainter = Inpainter(network)
    before = inpainter(photo, hole, texture="network")
    assert np.array_equal(before, inpainter(photo, hole, texture="network"))
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(0.5)
    assert not np.array_equal(before, inpainter(photo, hole, texture="network"))


def test_a_network_is_in_its_mode_again_after_an_error() -> None:
    network = small_network()
    modes = []

    def fail() -> None:
        with evaluating(network):
            modes.append(network.training)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert modes == [False]
    assert network.training
    assert not network.encoder[1].training


@pytest.mark.parametrize("before", [False, True])
def test_convolutions_are_timed_for_a_cuda_device_alone_and_the_setting_comes_back(before: bool) -> None:
    with torch.backends.cudnn.flags(enabled=True, benchmark=before):
        for device, timed in (("cuda", True), ("cpu", before), ("cuda", True)):
            with timed_convolutions(torch.device(device)):
                assert torch.backends.cudnn.benchmark == timed
            assert torch.backends.cudnn.benchmark == before
