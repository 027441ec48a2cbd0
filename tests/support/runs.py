"""Small trainings, and what they leave, for the tests that need them."""

import io
import json
import platform
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import torch

from onar import TrainConfig, train
from onar.cli import main
from onar.errors import OnarError
from onar.training.results_folder import Results

SMALL = {
    "img_size": 32, "batch_size": 4, "num_workers": 0, "epochs": 2, "base_channels": 4, "depth": 3,
    "discriminator_channels": 4, "content_network": "efficientnet_lite0", "device": "cpu", "log_every": 1,
    "sample_every": 100,  # curves at the end alone: drawing them takes longer than training
}  # fmt: skip
SMALL_BLEND = {
    "count": 6, "pair_size": 48, "img_size": 32, "batch_size": 2, "steps": 5, "base_channels": 4,
    "num_workers": 0, "mixed_precision": "no", "device": "cpu", "log_every": 2,
}  # fmt: skip
SMALL_COLOURS = {
    "count": 6, "batch_size": 2, "steps": 5, "channels": 3, "num_workers": 0, "mixed_precision": "no",
    "device": "cpu", "log_every": 2,
}  # fmt: skip
SMALL_FINDER = {
    "count": 6, "batch_size": 2, "steps": 4, "img_size": 32, "num_workers": 0, "mixed_precision": "no",
    "device": "cpu", "log_every": 2,
}  # fmt: skip

AVX2_ALONE = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
"""Environment in which torch uses AVX2 and nothing newer on an x86 processor."""
on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="simulates another x86 processor")


def flags(**settings: object) -> list[str]:
    return [part for name, value in settings.items() for part in (f"--{name}", str(value))]


def train_command(**settings: object) -> list[str]:
    """Arguments of `python` for a training; see `tests.support.processes`."""
    return ["-m", "onar", "train", *flags(**settings)]


def train_small(data: Path, results: Path, **changes: object) -> Path:
    """Train with the settings of `SMALL`, and these changes to them."""
    return train(TrainConfig(**SMALL | {"data": data, "results_dir": results} | changes))


@contextmanager
def stopped_in(kind: type, method: str) -> Iterator[None]:
    """Calls of the method raise SIGINT, as Ctrl+C does, before they do what they do."""
    call = getattr(kind, method)

    def stop_and_call(*arguments: object) -> object:
        signal.raise_signal(signal.SIGINT)
        return call(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, method, stop_and_call)
        yield


@contextmanager
def after_records(act: Callable[[dict], object]) -> Iterator[None]:
    """Whenever a run has logged a record, do something with it."""
    append = Results.append

    def append_and_act(results: Results, record: dict) -> None:
        append(results, record)
        act(record)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Results, "append", append_and_act)
        yield


def one_line(pattern: str, kind: type[Exception] = OnarError) -> AbstractContextManager[pytest.ExceptionInfo]:
    """A context that expects an error of one line, in which the pattern is found."""
    return pytest.raises(kind, match=rf"\A(?=[^\n]*\Z)(?s:.*?)(?m:{pattern})")


class Said(NamedTuple):
    out: str
    err: str


def run_onar(*arguments: object, code: int = 0) -> Said:
    """Run the `onar` command in this process, to that exit code: what it writes to stdout and stderr."""
    ended = 0
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        try:
            main(list(map(str, arguments)))
        except SystemExit as end:
            ended = int(end.code or 0)
    assert ended == code, err.getvalue()
    return Said(out.getvalue(), err.getvalue())


def refusal(*arguments: object, code: int = 2) -> str:
    """The one line with which the `onar` command refuses, without a traceback."""
    said = run_onar(*arguments, code=code).err
    assert said.count("\n") == 1, said
    assert "Traceback" not in said
    return said


def records(results: Path, kind: str) -> list[dict]:
    lines = (results / "log.jsonl").read_text().splitlines()
    return [record for record in map(json.loads, lines) if record["kind"] == kind]


def state(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)


def assert_same_weights(one: Path, other: Path) -> None:
    for name in ("generator_final.pth", "discriminator_final.pth"):
        a, b = state(one / name), state(other / name)
        assert a.keys() == b.keys()
        assert all(torch.equal(value, b[key]) for key, value in a.items())


def wait_until(happened: Callable[[], bool], longest: float = 120) -> None:
    """Wait; the timeout in seconds is for hangs only, and fails the test."""
    latest = time.monotonic() + longest
    while not happened():
        assert time.monotonic() < latest
        time.sleep(0.01)


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
