import os
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from onar import Inpainter, PConvUNet, UsageError
from onar.export.verb import export_onnx
from onar.inference.backends import Backend, OnnxBackend, PyramidBackend, TorchBackend
from onar.masks.generation import random_mask
from onar.masks.holes import known_from_mask
from onar.weights.metadata import read_step
from tests.conftest import PHOTOS
from tests.support.processes import run


@pytest.fixture(scope="module", params=["pyramid", "torch", "onnx"])
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Backend:
    if request.param == "pyramid":
        return PyramidBackend()
    torch.manual_seed(0)
    network = PConvUNet(8, 4, "pyramid")
    torch.nn.init.normal_(network.head[-1].weight, std=0.1)  # at first it is zero, and the network the pyramid fill
    if request.param == "torch":
        return TorchBackend(network, "cpu")
    path: Path = tmp_path_factory.mktemp("weights") / "network.onnx"
    export_onnx(network, {"training_size": "64"}, path, half=True)
    return OnnxBackend(path, "cpu")


def test_a_batch_gives_what_its_photos_give_alone(backend: Backend) -> None:
    photos = [Image.open(path).convert("RGB").resize((72, 56)) for path in sorted(PHOTOS.glob("*.jpg"))[:3]]
    masks = [random_mask(56, 72, rng=np.random.default_rng(seed), hole_ratio=(0.2, 0.4)) for seed in range(3)]
    known = np.concatenate([known_from_mask(mask) for mask in masks])
    frames = np.stack(photos).astype(np.float32) / 255 * known[..., None]
    together = backend(frames, known)
    assert (together.shape, together.dtype) == (frames.shape, np.float32)
    for number in range(3):
        (alone,) = backend(frames[number : number + 1], known[number : number + 1])
        assert together[number] == pytest.approx(alone, abs=1e-5)


def test_a_network_knows_what_sides_it_pads_to(backend: Backend) -> None:
    assert backend.step == (1 if isinstance(backend, PyramidBackend) else 16)


def test_a_network_with_colours_pads_to_what_those_take(tmp_path: Path) -> None:
    network = PConvUNet(4, 3, "pyramid", colour_channels=3)
    export_onnx(network, {"training_size": "64"}, tmp_path / "network.onnx")
    assert {TorchBackend(network, "cpu").step, OnnxBackend(tmp_path / "network.onnx", "cpu").step} == {64}


def test_a_file_of_version_1_says_its_step_by_its_architecture(tmp_path: Path) -> None:
    assert read_step({"architecture": '{"generator": "PConvUNet", "depth": 7}'}, tmp_path) == 128
    assert read_step({"architecture": '{"generator": "PConvUNet", "depth": 3, "colour_channels": 3}'}, tmp_path) == 64
    assert read_step({"architecture": '{"generator": "PyramidFill"}'}, tmp_path) == read_step({}, tmp_path) == 1


@pytest.fixture
def claims_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ONNX Runtime that names CUDA and cannot use it, as one built for it does where there is no driver."""
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "network.onnx"
    export_onnx(PConvUNet(4, 3), {"training_size": "64"}, path)
    return path


@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.usefixtures("claims_cuda")
def test_a_gpu_that_cannot_be_used_is_refused_where_it_is_asked_for(weights: Path) -> None:
    with pytest.raises(UsageError, match=r"^device cuda cannot be used by this ONNX Runtime: .* use device cpu"):
        OnnxBackend(weights, "cuda")


@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.usefixtures("claims_cuda")
def test_auto_says_that_it_computes_on_the_cpu_where_the_gpu_cannot_be_used(weights: Path) -> None:
    assert OnnxBackend(weights, "auto").device == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(weights: Path) -> None:
    with pytest.raises(UsageError, match="device cuda is not available"):
        TorchBackend(PConvUNet(4, 3), "cuda")
    with pytest.raises(UsageError, match="device cuda is not available"):
        Inpainter.load(weights, "cuda")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_a_session_takes_the_cpus_that_the_process_may_use(weights: Path) -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        threads = OnnxBackend(weights)._session.running.get_session_options().intra_op_num_threads
    finally:
        os.sched_setaffinity(0, allowed)
    # 0 would have ONNX Runtime tie a thread to each core of the machine, which a container refuses.
    assert threads == 1 or os.cpu_count() == 1


def test_a_session_takes_the_threads_it_is_given(weights: Path) -> None:
    assert OnnxBackend(weights, threads=3)._session.running.get_session_options().intra_op_num_threads == 3


LARGE_RUN = """
import os
from pathlib import Path
import numpy as np
from onar.inference.sessions import OnnxSession
from onar.weights.bundled import texture_weights
session = OnnxSession(texture_weights(), "cpu", threads=1)
def resident_megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
def run(side):
    shapes = [(port.name, (1, port.shape[1], side, side)) for port in session.running.get_inputs()]
    assert np.isfinite(session.run({name: np.ones(shape, np.float32) for name, shape in shapes})).all()
run(64)
before = resident_megabytes()
run(768)  # takes 240 MB
print(resident_megabytes() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory as Linux reports it")
def test_a_session_keeps_no_memory_of_a_large_run() -> None:
    assert float(run("-c", LARGE_RUN, code=0).stdout) < 80
