"""No telemetry: Onar leaves an empty home empty, and opens no connection."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import httpx
import pytest
from PIL import Image

from onar.system.state import TELEMETRY_OFF
from tests.conftest import PHOTOS, REPOSITORY
from tests.support.pictures import a_mask, a_photo, encode
from tests.support.runs import SMALL
from tests.support.server import running_server

pytestmark = pytest.mark.process

Start = Callable[..., "subprocess.CompletedProcess[str]"]

FILL = """
import numpy as np
photo = np.random.default_rng(0).integers(0, 256, (96, 96, 3)).astype(np.uint8)
hole = np.zeros((96, 96), bool)
hole[30:60, 30:60] = True
from onar import Inpainter
Inpainter.load()(photo, hole, texture="patches")
"""
VERBS = """
from onar.cli import main
for verb in (
    "complete photos --mask mask.png --output completed",
    "masks some_masks --count 1 --img-size 32",
    "check photos",
    "evaluate --data photos --output report.json --img-size 32 --masks-per-range 1",
):
    try:
        main(verb.split())
    except SystemExit as end:
        assert not end.code, verb
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def start(home: Path, tmp_path: Path) -> Start:
    """Start Python in a process with an empty home, and nothing in its environment about what packages may send."""

    def start(*arguments: str, before: tuple[str, ...] = (), **more: str) -> "subprocess.CompletedProcess[str]":
        environment = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY / "src"), **more}
        command = [*before, sys.executable, *arguments]
        done = subprocess.run(command, env=environment, cwd=tmp_path, text=True, capture_output=True, timeout=500)
        assert done.returncode == 0, done.stderr
        return done

    return start


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in sorted(PHOTOS.glob("*.jpg"))[:3]:
        Image.open(path).resize((64, 48)).save(folder / path.name)
    (tmp_path / "mask.png").write_bytes(a_mask())
    return folder


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def files_but_font_lists(folder: Path) -> list[str]:
    """The files in a home, but for the list of fonts that matplotlib keeps."""
    return [name for name in files_in(folder) if (folder / name).is_file() and "matplotlib" not in name]


@pytest.mark.parametrize("first", ["import onar", "import onar.masks", "from onar.cli import main"])
def test_onnxruntime_reports_nothing_once_onar_is_imported(start: Start, home: Path, first: str) -> None:
    start("-c", f"{first}\nimport onnxruntime")
    assert files_in(home) == []


def test_a_program_that_loads_an_inpainter_leaves_the_home_empty(start: Start, home: Path) -> None:
    start("-c", FILL, ONAR_CACHE="off")
    assert files_in(home) == []


def test_a_program_that_loads_an_inpainter_leaves_only_its_cache_in_the_home(start: Start, home: Path) -> None:
    start("-c", FILL)
    files = [Path(name) for name in files_in(home) if (home / name).is_file()]
    assert {file.parts[:3] for file in files} == {(".cache", "onar", "sessions")}
    assert len({file.parent for file in files}) == 2  # of the network and of the blend


def test_the_verbs_leave_no_file_in_the_home(start: Start, home: Path, photos: Path) -> None:
    start(
        "-c", VERBS, https_proxy="http://127.0.0.1:9", ONAR_CACHE="off"
    )  # nor weights for scores, which are downloaded on request
    assert files_but_font_lists(home) == []
    assert (photos.parent / "report.json").exists()
    assert len(list((photos.parent / "completed").iterdir())) == 3


def test_a_training_leaves_no_file_in_the_home(start: Start, home: Path, photos: Path) -> None:
    settings = SMALL | {"epochs": 1, "num_workers": 1, "batch_size": 2, "data": str(photos), "results_dir": "run"}
    program = f"from onar import TrainConfig, train\nif __name__ == '__main__':\n    train(TrainConfig(**{settings!r}))"
    (photos.parent / "program.py").write_text(program)
    start("program.py", ONAR_CACHE="off")
    assert files_but_font_lists(home) == []


def test_a_server_that_fills_leaves_the_home_empty(home: Path) -> None:
    unset = dict.fromkeys(TELEMETRY_OFF, "")
    with running_server("--no-page", HOME=str(home), XDG_CACHE_HOME=str(home / ".cache"), **unset) as server:
        files = {"photo": encode(a_photo()), "mask": a_mask()}
        assert httpx.post(f"{server.url}/api/complete", files=files, timeout=120).status_code == 200
        assert files_in(home) == []


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_a_fill_connects_nowhere(start: Start, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    watched = ("strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-e", "signal=none", "-o", str(trace))
    start("-c", FILL + "import time\ntime.sleep(3)", before=watched)  # reports come late, and from threads
    assert [line for line in trace.read_text().splitlines() if "AF_INET" in line] == []


def test_what_a_person_has_set_stays(start: Start) -> None:
    said = start("-c", "import onar, os; print(os.environ['ORT_DISABLE_TELEMETRY'])", ORT_DISABLE_TELEMETRY="0").stdout
    assert said.strip() == "0"


def test_telemetry_of_an_imported_onnxruntime_is_disabled(start: Start) -> None:
    program = """
import onnxruntime
called = []
onnxruntime.disable_telemetry_events = lambda: called.append(True)
import onar
assert called, "it goes on"
"""
    start("-c", program)


@pytest.mark.parametrize(
    ("module", "name", "expected"),
    [
        ("huggingface_hub.constants", "HF_HUB_DISABLE_TELEMETRY", True),
        ("datasets.config", "HF_UPDATE_DOWNLOAD_COUNTS", False),
    ],
)
def test_packages_of_extras_have_read_that_they_shall_send_nothing(module: str, name: str, expected: bool) -> None:
    pytest.importorskip(module)
    assert getattr(import_module(module), name) is expected


def test_wandb_has_read_that_it_shall_send_no_errors() -> None:
    assert not pytest.importorskip("wandb.env").error_reporting_enabled()


def test_ray_has_read_that_it_shall_send_nothing() -> None:
    assert not pytest.importorskip("ray._common.usage.usage_lib").usage_stats_enabled()
