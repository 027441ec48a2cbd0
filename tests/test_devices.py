"""Compute devices, threads and memory of a process."""

import math
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from onar import TrainConfig
from onar.errors import UsageError
from onar.inference.sessions import OnnxSession, choose_onnx_device, provider
from onar.system.devices import (
    available_cores,
    available_cpus,
    choose_device,
    cpu_quota,
    limit_opencv,
    limit_openmp,
)
from onar.training.blend.config import BlendConfig
from onar.training.gan.launch import start_processes
from onar.weights.bundled import bundled_weights
from tests.support.processes import run
from tests.support.runs import SMALL

FAULTS = """
import resource, sys, torch
from onar import TrainConfig, train
from onar.system.devices import keep_freed_memory

def faults():
    for round in range(30):
        if round == 10:  # by then, what can be kept is there
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(10_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = faults()
exec(sys.argv[1])
print(given_back, faults())
"""


def faults_before_and_after(work: str) -> tuple[int, int]:
    """How often a process had to ask the system for memory it had freed, before some work and after it."""
    before, after = map(int, run("-c", FAULTS, work, code=0).stdout.splitlines()[-1].split())
    return before, after


@pytest.mark.process
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_freed_memory_is_used_again_without_asking_the_system() -> None:
    given_back, kept = faults_before_and_after("keep_freed_memory()")
    assert kept < given_back / 10


@pytest.mark.process
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_training_from_python_leaves_the_memory_of_the_process_to_its_owner(photos: Path, tmp_path: Path) -> None:
    settings = {**SMALL, "data": str(photos), "results_dir": str(tmp_path), "lambda_content": 0.0, "max_steps": 1}
    before, after = faults_before_and_after(f"train(TrainConfig(**{settings}))")
    assert after > before / 2


THREADS = """
from onar.cli import main
from onar.system.devices import FEW_CPUS, available_cpus
try:
    main(["train", "--data", "nowhere"])  # imports torch, whose OpenMP then says how its threads wait
finally:
    print(available_cpus() <= FEW_CPUS)
"""


@pytest.mark.process
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="torch's OpenMP is not GNU's")
@pytest.mark.parametrize(
    ("chosen", "spins"),
    [({}, "2000"), ({"GOMP_SPINCOUNT": "77"}, "77"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "0")],
    ids=["nothing", "a count", "a policy"],
)
def test_the_command_lets_threads_sleep_soon_unless_the_person_has_chosen(chosen: dict[str, str], spins: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GOMP_", "OMP_"))}
    environment |= {"OMP_DISPLAY_ENV": "VERBOSE"} | chosen
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=False, env=environment)
    if "True" not in done.stdout:
        pytest.skip("with many processors threads wait as they always did")
    assert f"GOMP_SPINCOUNT = '{spins}'" in done.stderr


DRIVER = """
int cuInit(unsigned flags) { return 0; }
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
"""
TRAIN = """
import sys, torch
from onar.system.devices import choose_device
from onar.training.precision import announce_device
own = torch.version.cuda
for version, device in zip(sys.argv[1::2], sys.argv[2::2]):
    torch.version.cuda = {"none": None, "own": own}[version]
    print("now", file=sys.stderr)
    announce_device(choose_device(device), device, "no")
"""


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="puts a library where Linux looks for NVIDIA's driver")
@pytest.mark.skipif(torch.cuda.is_available() or not shutil.which("cc"), reason="a GPU, or no compiler")
def test_a_training_says_first_where_it_computes_and_why_not_on_the_gpu(tmp_path: Path) -> None:
    (tmp_path / "driver.c").write_text(DRIVER)
    subprocess.run(["cc", "-shared", "-fPIC", "driver.c", "-o", "libcuda.so.1"], cwd=tmp_path, check=True)

    command = [sys.executable, "-c", TRAIN, "own", "cpu", "none", "auto"]
    environment = os.environ | {"LD_LIBRARY_PATH": str(tmp_path)}  # which counts when an interpreter starts
    with_driver = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stderr
    _, named, without_cuda = with_driver.split("now\n")
    assert named.splitlines()[0] == "Training on the CPU (fp32)"
    slow = "Training on the CPU (fp32), tens of times slower than on a GPU"
    assert run("-c", TRAIN, "own", "auto", code=0).stderr.splitlines()[:2] == ["now", slow]
    assert without_cuda.startswith(f"{slow}. But this computer has an NVIDIA GPU")
    assert "built without CUDA" in without_cuda


@pytest.mark.process
def test_importing_onar_leaves_the_environment_alone() -> None:
    code = "import os; before = dict(os.environ); import onar, onar.cli; print(before == dict(os.environ))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "cuda:one", "cpu:0", "mps:1", ""])
def test_what_names_no_device_is_refused_with_what_does(name: str) -> None:
    for make in (lambda: TrainConfig(device=name), lambda: BlendConfig(device=name), lambda: choose_device(name)):
        with pytest.raises(UsageError, match=r"^device takes auto, cpu, cuda, cuda:NUMBER or mps"):
            make()


def test_a_gpu_is_named_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(UsageError, match=r"^device cuda:2 is not there: the GPUs here are cuda:0 to cuda:1"):
        choose_device("cuda:2")
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(UsageError, match="device cuda:1 is one GPU, and each process takes its own"):
        start_processes(TrainConfig(device="cuda:1"))


def test_onnx_runtime_takes_the_gpu_of_that_number() -> None:
    search = {"cudnn_conv_algo_search": "HEURISTIC"}
    assert provider("cuda:1") == ("CUDAExecutionProvider", search | {"device_id": "1"})
    assert provider("cuda") == ("CUDAExecutionProvider", search)
    assert provider("cpu") == "CPUExecutionProvider"
    assert choose_onnx_device("cuda:1", ["CUDAExecutionProvider", "CPUExecutionProvider"]) == "cuda:1"
    with pytest.raises(UsageError, match=r"^device cuda:1 is not available in this ONNX Runtime"):
        choose_onnx_device("cuda:1", ["CPUExecutionProvider"])


@pytest.mark.parametrize(
    ("membership", "files", "cpus"),
    [
        # Version 2, as a container sees it.
        ("0::/", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/", {"cpu.max": "max 100000"}, math.inf),
        ("0::/", {}, math.inf),
        # Of systemd, in groups within groups; the tightest counts.
        ("0::/system.slice/onar.service", {"system.slice/onar.service/cpu.max": "200000 100000"}, 2),
        (
            "0::/system.slice/onar.service",
            {"system.slice/cpu.max": "50000 100000", "system.slice/onar.service/cpu.max": "200000 100000"},
            0.5,
        ),
        # Version 1, on the host, and in a container that sees the host's name of its group.
        ("4:memory:/\n3:cpu,cpuacct:/docker/a1", {"cpu/docker/a1/cpu.cfs": (250000, 100000)}, 2.5),
        ("3:cpu,cpuacct:/docker/a1", {"cpu/cpu.cfs": (50000, 50000)}, 1),
        ("3:cpu,cpuacct:/docker/a1", {"cpu/cpu.cfs": (-1, 100000)}, math.inf),
        ("5:cpuset:/docker/a1", {"cpuset/docker/a1/cpu.cfs": (50000, 100000)}, math.inf),
        # Both versions at once, of which the first has the processors; and what no system writes.
        ("2:cpu:/\n0::/", {"cpu/cpu.cfs": (300000, 100000)}, 3),
        ("0::/../elsewhere", {"cpu.max": "100000 0"}, math.inf),
    ],
)
def test_the_quota_of_a_container_is_read(
    tmp_path: Path, membership: str, files: dict[str, str | tuple[int, int]], cpus: float
) -> None:
    (tmp_path / "cgroup").write_text(membership + "\n")
    for name, content in files.items():
        place = tmp_path / "mounts" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            place.write_text(content + "\n")
        else:
            for kind, number in zip(("quota", "period"), content, strict=True):
                place.with_name(f"{place.name}_{kind}_us").write_text(f"{number}\n")
    assert cpu_quota(tmp_path / "mounts", tmp_path / "cgroup") == cpus


def test_without_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path, tmp_path / "nothing") == math.inf


@pytest.mark.parametrize(("quota", "threads"), [(0.5, 1), (1.0, 1), (1.5, 2), (math.inf, None)])
def test_threads_use_all_of_a_share_and_never_more_than_the_processors(
    monkeypatch: pytest.MonkeyPatch, quota: float, threads: int | None
) -> None:
    import cv2

    everything = available_cpus()
    monkeypatch.setattr("onar.system.devices.cpu_quota", lambda: quota)
    monkeypatch.setenv("OMP_NUM_THREADS", "")  # so that it is restored
    monkeypatch.delenv("OMP_NUM_THREADS")
    expected = min(threads or everything, everything)
    before = cv2.getNumThreads()
    try:
        limit_opencv(0)
        assert (available_cpus(), cv2.getNumThreads()) == (expected, expected)
    finally:
        cv2.setNumThreads(before)
    assert available_cores() <= expected
    assert OnnxSession(bundled_weights(), "cpu").running.get_session_options().intra_op_num_threads in (0, expected)
    limit_openmp()
    assert os.environ.get("OMP_NUM_THREADS") == (None if threads is None else str(available_cores()))
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    limit_openmp()
    assert os.environ["OMP_NUM_THREADS"] == "7"
