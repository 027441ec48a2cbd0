"""`onar complete --engine ray` on real Ray clusters of two CPUs."""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from onar import PConvUNet
from onar.checkpoint import save_weights
from onar.completion import on_ray
from onar.completion.config import EngineConfig
from onar.completion.on_ray import Actor, Pool, plan_pool
from onar.errors import UsageError
from tests.conftest import PHOTOS
from tests.support.runs import has_ended, refusal, run_onar, wait_until

pytestmark = pytest.mark.process

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason='needs "onar[ray]"; Ray is not there for every Python')
COUNT = 8
LONGEST = 300
"""Seconds after which a test gives up waiting: for hangs only."""


@pytest.fixture(scope="module")
def ray_folder() -> Iterator[Path]:
    """Where Ray puts its files; a cluster of this test's own is protected by a token of its own."""
    folder = Path(tempfile.mkdtemp(prefix="ray"))  # Ray's sockets need short paths
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", str(folder))
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def cluster(ray_folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """A Ray cluster, started from its command: its address, and its main process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = f"{sys.executable} -m ray.scripts.scripts start --head --block --num-cpus 2 --port {port}"
    options = "--include-dashboard false --disable-usage-stats --object-store-memory 100000000"
    with subprocess.Popen([*command.split(), *options.split()], cwd=ray_folder, stdout=subprocess.PIPE) as process:
        assert any(b"Ray runtime started" in line for line in process.stdout)
        head = psutil.Process(process.pid)
        yield f"127.0.0.1:{port}", head
        for started in (*head.children(recursive=True), head):  # asked politely, it takes half a minute
            started.kill()


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos, masks and weights, named as seen from the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    Path("masks").mkdir()
    paths = sorted(PHOTOS.glob("*.jpg"))
    for number in range(COUNT):
        name = f"{number:02}"
        ending = "jpg" if number % 3 == 1 else "png"
        Image.open(paths[number % len(paths)]).resize((250, 170)).save(f"photos/{name}.{ending}")
        hole = np.zeros((170, 250), np.uint8)
        hole[20 + number : -20, 20 : -20 - number] = 255
        Image.fromarray(hole).save(f"masks/{name}.png")
    torch.manual_seed(0)
    generator = PConvUNet(base_channels=16, depth=5, base_fill="pyramid")
    for weight in generator.parameters():
        if not weight.any():  # what starts at zero would hide what the others compute
            torch.nn.init.normal_(weight, std=0.01)
    save_weights(Path("weights.pth"), generator)
    return tmp_path


def arguments(output: str, *more: object) -> list[str]:
    return ["complete", "photos", "--mask", "masks", "--output", output, "--weights", "weights.pth", *map(str, more)]


def files_in(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if not path.name.startswith(".")}


@pytest.fixture
def start() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start `onar` in a process group of its own, as a shell does."""
    started = []

    def start(*words: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "onar", *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, text=True, start_new_session=True, **pipes))
        return started[-1]

    yield start
    for process in started:
        with process:
            process.kill()


def wait_for_files(folder: str, process: "subprocess.Popen[str]") -> None:
    wait_until(lambda: process.poll() is not None or (Path(folder).is_dir() and bool(files_in(folder))), LONGEST)
    assert process.poll() is None, process.communicate()


def kill_worker(head: psutil.Process, after_files_in: str) -> None:
    wait_until(lambda: Path(after_files_in).is_dir() and bool(files_in(after_files_in)), LONGEST)
    (worker,) = [child for child in head.children(recursive=True) if "MapWorker" in child.name()]
    worker.kill()


# ---------------------------------------------------------------- at work
@needs_ray
def test_ray_does_and_prints_the_same_as_the_local_engine_even_when_a_worker_is_killed(
    album: Path, cluster: tuple[str, psutil.Process]
) -> None:
    Path("photos/00.png").write_bytes(b"no picture")
    Path("masks/06.png").unlink()
    Image.new("L", (250, 170)).save("masks/07.png")
    # Two threads: a worker left to itself would take one, as the environment of tests says, and differ by a level.
    with ThreadPoolExecutor() as other:
        killed = other.submit(kill_worker, cluster[1], after_files_in="ray")
        by_ray = run_onar(*arguments("ray", "--threads", 2, "--engine", "ray", "--address", cluster[0]), code=1)
        killed.result()
    said = run_onar(*arguments("local", "--threads", 2), code=1)
    assert by_ray.out == re.sub(r"\blocal\b", "ray", said.out)
    by_workers, locally = (
        [line for line in one.err.splitlines() if line.startswith("onar")] for one in (by_ray, said)
    )  # and no bar of progress
    assert by_workers == locally
    assert len(locally) == 3
    assert files_in("ray") == files_in("local")
    assert len(files_in("ray")) == COUNT - 2


@needs_ray
@pytest.mark.soak
def test_ctrl_c_ends_its_own_ray(album: Path, ray_folder: Path, start: Callable[..., "subprocess.Popen[str]"]) -> None:
    process = start(*arguments("out", "--threads", 1, "--engine", "ray", "--ray_workers", 1))
    wait_for_files("out", process)
    processes = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=LONGEST)
    assert (process.returncode, err.splitlines()[-1]) == (130, "Stopped.")
    assert processes
    wait_until(lambda: all(map(has_ended, processes)), LONGEST)
    assert 0 < len(files_in("out")) < COUNT
    for name in files_in("out"):
        Image.open(Path("out", name)).load()


@needs_ray
@pytest.mark.soak
def test_a_photo_that_kills_every_worker_costs_no_other_photo(
    album: Path, cluster: tuple[str, psutil.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fragile(Actor):
        def __call__(self, block: dict[str, Any]) -> dict[str, list[bytes]]:
            if any(b"05.png" in job for job in block["job"]):
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__call__(block)

    monkeypatch.setattr(on_ray, "Actor", Fragile)
    said = run_onar(*arguments("out", "--threads", 1, "--engine", "ray", "--address", cluster[0]), code=1)
    assert "photos/05.png: its Ray worker died each time" in said.err
    assert len(files_in("out")) == COUNT - 1


@needs_ray
@pytest.mark.soak
def test_a_worker_that_cannot_start_is_one_line(
    album: Path, cluster: tuple[str, psutil.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lost(Actor):
        def __init__(self, folder: str, *others: Any) -> None:
            super().__init__(f"{folder}/not on this machine", *others)

    monkeypatch.setattr(on_ray, "Actor", Lost)
    message = refusal(*arguments("out", "--threads", 1, "--engine", "ray", "--address", cluster[0]), code=1)
    assert message.startswith("onar: a Ray worker cannot work: FileNotFoundError")
    assert "not on this machine" in message


# ---------------------------------------------------------------- what cannot be
@needs_ray
def test_an_address_without_a_cluster_fails(album: Path, ray_folder: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        said = run_onar(*arguments("out", "--engine", "ray", "--address", address), code=1)
    assert f"address {address}: cannot join the Ray cluster" in said.err
    assert not Path("out").exists()


def test_without_ray_the_message_says_what_to_install(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    said = refusal(*arguments("out", "--engine", "ray"), code=1)
    assert said.startswith('onar: engine ray needs pip install "onar[ray]" (')


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("--engine ray --address ray://head:10001", "--address is auto, or HOST:PORT of the Ray cluster"),
        ("--address auto", "--address is for --engine ray"),
        ("--ray_workers 2", "--ray_workers is for --engine ray"),
        ("--threads -1", "--threads must be at least 0"),
    ],
)
def test_wrong_use_is_refused(album: Path, wrong: str, message: str) -> None:
    assert message in run_onar(*arguments("out", *wrong.split()), code=2).err


# ---------------------------------------------------------------- how many workers
def test_every_worker_has_its_cpus_on_one_machine() -> None:
    where = EngineConfig(engine="ray", threads=4)
    assert plan_pool([{"CPU": 7}, {"CPU": 8}, {"CPU": 2}], "auto", where) == Pool(workers=3, threads=4, gpus=0)


def test_every_worker_has_a_gpu_when_there_are_any() -> None:
    machines = [{"CPU": 8, "GPU": 2}, {"CPU": 8}, {"CPU": 1, "GPU": 1}]
    assert plan_pool(machines, "auto", EngineConfig(engine="ray", threads=2)) == Pool(workers=2, threads=2, gpus=1)
    assert plan_pool(machines, "cpu", EngineConfig(engine="ray", threads=2)) == Pool(workers=8, threads=2, gpus=0)


def test_the_number_of_workers_can_be_set() -> None:
    assert plan_pool([{"CPU": 8}], "cpu", EngineConfig(engine="ray", threads=1, ray_workers=3)).workers == 3


@pytest.mark.parametrize(("device", "message"), [("cpu", "threads must be smaller"), ("cuda", "device cuda")])
def test_a_cluster_without_room_is_reported(device: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan_pool([{"CPU": 2}, {"CPU": 2}], device, EngineConfig(engine="ray", threads=3))
