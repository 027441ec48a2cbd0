"""The cache of optimised graphs changes no pixel, also when entries are damaged, old or shared by processes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from onar import OnarError, PConvUNet
from onar.export.verb import export_onnx
from onar.inference import session_cache
from onar.inference.backends import OnnxBackend
from onar.inference.session_cache import GRAPH, OFF, VARIABLE, WEIGHTS, cache_folder, entry_of
from onar.system import files
from onar.weights.bundled import bundled_weights, texture_weights

FILL = """
import hashlib, sys
from pathlib import Path
import numpy as np
from onar.inference.backends import OnnxBackend
rng = np.random.default_rng(0)
known = (rng.random((1, 1, 70, 90)) > 0.3).astype(np.float32)
photo = rng.random((1, 3, 70, 90), np.float32) * known
print(hashlib.sha256(OnnxBackend(Path(sys.argv[1]), "cpu", threads=1).run(photo, known).tobytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = PConvUNet(8, 3).eval()
    path: Path = tmp_path_factory.mktemp("weights") / "network.onnx"
    export_onnx(network, {"training_size": "64"}, path, half=True)
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def fill(weights: Path) -> Callable[[], bytes]:
    """The bytes of a fill by a new session."""

    def fill(height: int = 70, width: int = 90) -> bytes:
        rng = np.random.default_rng(height)
        known = (rng.random((1, 1, height, width)) > 0.3).astype(np.float32)
        photo = rng.random((1, 3, height, width), np.float32) * known
        return OnnxBackend(weights, "cpu", threads=1).run(photo, known).tobytes()

    return fill


@pytest.fixture
def expected(fill: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch) -> bytes:
    with monkeypatch.context() as patch:
        patch.setenv(VARIABLE, OFF)
        return fill()


def entries(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("size", [(70, 90), (1, 1), (64, 64), (33, 200)])
def test_a_cached_session_gives_the_same_bytes(
    fill: Callable[..., bytes], folder: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv(VARIABLE, OFF)
        without = fill(*size)
    assert not folder.exists()
    assert fill(*size) == without  # and writes an entry
    assert len(entries(folder)) == 1
    assert fill(*size) == without  # and reads it


def test_a_cached_session_knows_what_its_file_says(weights: Path, folder: Path) -> None:
    first, second = (OnnxBackend(weights, "cpu") for _ in range(2))
    assert entries(folder)
    assert (second.step, second.channels, second.training_size) == (first.step, first.channels, 64)


@pytest.mark.parametrize("name", [GRAPH, WEIGHTS])
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_truncated_entry_is_made_again(
    fill: Callable[[], bytes], expected: bytes, weights: Path, folder: Path, name: str, share: float
) -> None:
    fill()
    entry = entry_of(weights, session_version())
    assert entry is not None
    os.truncate(entry / name, int(share * (entry / name).stat().st_size))
    assert fill() == expected
    made = entry.stat().st_ino
    assert fill() == expected
    assert entry.stat().st_ino == made  # it was whole, and is read


def test_an_entry_without_weights_or_with_garbage_is_made_again(
    fill: Callable[[], bytes], expected: bytes, folder: Path
) -> None:
    fill()
    (entry,) = folder.iterdir()
    (entry / WEIGHTS).unlink()
    assert fill() == expected
    (entry / GRAPH).write_bytes(np.random.default_rng(0).bytes(5000))
    assert fill() == expected
    assert (entry / WEIGHTS).exists()


def test_a_folder_that_cannot_be_written_is_no_error(fill: Callable[[], bytes], expected: bytes, folder: Path) -> None:
    folder.write_text("a file where the folder would be")  # root may write to read-only folders
    assert fill() == expected


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_no_error(fill: Callable[[], bytes], expected: bytes, folder: Path) -> None:
    folder.mkdir(mode=0o500)
    assert fill() == expected


def test_an_entry_is_for_one_file_one_version_and_one_processor(
    weights: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = entry_of(weights, "1.22.0")
    assert here == entry_of(weights, "1.22.0")
    others = {entry_of(weights, "1.23.0"), entry_of(bundled_weights(), "1.22.0"), entry_of(texture_weights(), "1.22.0")}
    monkeypatch.setattr(session_cache, "_processor", lambda: "another")
    assert len({here, *others, entry_of(weights, "1.22.0")}) == 5
    monkeypatch.setattr(session_cache, "_processor", lambda: None)
    assert entry_of(weights, "1.22.0") is None


def test_processes_that_start_at_once_leave_one_entry(weights: Path, expected: bytes, folder: Path) -> None:
    command = [sys.executable, "-c", FILL, str(weights)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = {process.communicate(timeout=300)[0] for process in started}
    assert len(said) == 1
    assert all(process.returncode == 0 for process in started)
    assert len(entries(folder)) == 1


def test_the_least_recently_used_entries_are_removed(
    fill: Callable[[], bytes], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill()
    (entry,) = folder.iterdir()
    size = sum(file.stat().st_size for file in entry.iterdir())
    for number in range(4):
        (folder / f"old{number}").mkdir()
        (folder / f"old{number}" / WEIGHTS).write_bytes(bytes(size))
        os.utime(folder / f"old{number}", (1000 + number, 1000 + number))
    for name, age in (("killed", 10**6), ("busy", 0)):
        (folder / f".writing-{name}").mkdir()
        os.utime(folder / f".writing-{name}", (entry.stat().st_mtime - age,) * 2)
    monkeypatch.setattr(session_cache, "MAX_BYTES", 3 * size + size // 2)
    (entry / GRAPH).unlink()
    fill()
    assert entries(folder) == sorted([".writing-busy", entry.name, "old2", "old3"])


def test_reading_an_entry_makes_it_the_most_recently_used(fill: Callable[[], bytes], folder: Path) -> None:
    fill()
    (entry,) = folder.iterdir()
    os.utime(entry, (1000, 1000))
    fill()
    assert entry.stat().st_mtime > 1000


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"HOME": "/home/a"}, "/home/a/.cache/onar/sessions"),
        ({"HOME": "/home/a", "XDG_CACHE_HOME": "/big"}, "/big/onar/sessions"),
        ({"HOME": "/home/a", "XDG_CACHE_HOME": ""}, "/home/a/.cache/onar/sessions"),
        ({"HOME": "/home/a", VARIABLE: OFF}, None),
        ({"HOME": "/home/a", VARIABLE: "/elsewhere"}, "/elsewhere"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other folders")
def test_the_folder_follows_the_environment(
    values: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", VARIABLE):
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    folder = cache_folder()
    assert (folder and str(folder)) == expected


def test_there_is_no_cache_where_there_is_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(files, "user_cache_path", lambda *_, **__: Path("~/.cache/onar"))  # as it says then
    assert cache_folder() is None


def test_a_damaged_file_leaves_no_entry(tmp_path: Path, folder: Path) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"no network")
    with pytest.raises(OnarError, match="damaged or not an ONNX file"):
        OnnxBackend(damaged, "cpu")
    assert entries(folder) == []


def session_version() -> str:
    import onnxruntime

    return str(onnxruntime.__version__)
