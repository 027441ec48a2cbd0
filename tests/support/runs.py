"""Small trainings, and what they leave, for the tests that need them."""

import io
import json
import platform
import subprocess
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import psutil
import pytest
import torch

from onar.cli import main

SMALL = {
    "img_size": 32,
    "batch_size": 4,
    "num_workers": 0,
    "epochs": 2,
    "base_channels": 4,
    "depth": 3,
    "discriminator_channels": 4,
    "content_network": "efficientnet_lite0",
    "device": "cpu",
    "log_every": 1,
}
SMALL_BLEND = {
    "count": 6,
    "pair_size": 48,
    "img_size": 32,
    "batch_size": 2,
    "steps": 5,
    "base_channels": 4,
    "num_workers": 0,
    "mixed_precision": "no",
    "device": "cpu",
    "log_every": 2,
}
SMALL_COLOURS = {
    "count": 6,
    "batch_size": 2,
    "steps": 5,
    "channels": 3,
    "num_workers": 0,
    "mixed_precision": "no",
    "device": "cpu",
    "log_every": 2,
}

AVX2_ALONE = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
"""Environment in which torch uses AVX2 and nothing newer on an x86 processor."""
on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="simulates another x86 processor")


def flags(**settings: object) -> list[str]:
    return [part for name, value in settings.items() for part in (f"--{name}", str(value))]


def train_command(**settings: object) -> list[str]:
    """Arguments of `python` for a training; see `tests.support.processes`."""
    return ["-m", "onar", "train", *flags(**settings)]


def run_onar(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the `onar` command in this process: its exit code, and what it writes to stdout and stderr."""
    words, code = list(map(str, arguments)), 0
    with redirect_stdout(io.StringIO()) as said, redirect_stderr(io.StringIO()) as errors:
        try:
            main(words)
        except SystemExit as end:
            code = end.code or 0
    return subprocess.CompletedProcess(words, code, said.getvalue(), errors.getvalue())


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
