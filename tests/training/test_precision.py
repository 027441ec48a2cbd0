"""The number format of a run, on processors that multiply bf16 and on those that only emulate it."""

import re
import subprocess
from pathlib import Path

import pytest
import torch

from onar import TrainConfig, train
from onar.errors import UsageError
from onar.training.precision import choose_precision, multiplies_bf16
from onar.weights.tensors import load_state, save_state
from tests.support.processes import run
from tests.support.runs import AVX2_ALONE, SMALL, on_x86, records, train_command

FEW = {**SMALL, "lambda_content": 0.0, "epochs": 1}


def train_on_avx2(**settings: object) -> subprocess.CompletedProcess[str]:
    return run(*train_command(**settings), on_import=AVX2_ALONE, code=0)


def begin(photos: Path, results: Path, **settings: object) -> Path:
    """A run of two epochs that was stopped after the first; returns its checkpoint."""
    train(TrainConfig(data=photos, results_dir=results, **FEW | settings))
    (results / "generator_final.pth").unlink()
    return results / "checkpoints" / "step_00000003.pt"


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="asks Linux what the processor has")
@on_x86
def test_a_cpu_multiplies_bf16_when_it_has_instructions_for_that() -> None:
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    assert multiplies_bf16(torch.device("cpu")) == ("avx512_bf16" in flags[1].split())


def test_auto_is_printed_and_logged(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(TrainConfig(data=photos, results_dir=tmp_path, **FEW, max_steps=1, mixed_precision="auto"))
    multiplies = multiplies_bf16(torch.device("cpu"))
    said = "bf16: this CPU multiplies it" if multiplies else "fp32: this CPU does not multiply"
    printed = capsys.readouterr()
    assert printed.err.startswith("Training on the CPU\n")
    assert printed.out.startswith(f"Computing in {said}")
    (start,) = records(tmp_path, "start")
    assert start["mixed_precision"] == ("bf16" if multiplies else "no")


@pytest.mark.process
@on_x86
def test_auto_takes_fp32_where_bf16_is_emulated(photos: Path, tmp_path: Path) -> None:
    done = train_on_avx2(data=photos, results_dir=tmp_path, **FEW, max_steps=1, mixed_precision="auto")
    assert done.stdout.splitlines()[0] == "Computing in fp32: this CPU does not multiply bf16, according to torch"
    assert "onar:" not in done.stderr
    assert [start["mixed_precision"] for start in records(tmp_path, "start")] == ["no"]


@pytest.mark.process
@on_x86
def test_bf16_where_it_is_emulated_is_reported_with_the_factor(photos: Path, tmp_path: Path) -> None:
    done = train_on_avx2(data=photos, results_dir=tmp_path, **FEW, max_steps=1, mixed_precision="bf16")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("onar: ")]
    factor = re.search(r"CPU emulates bf16: a convolution took (\d+\.\d) times as long .*mixed_precision auto", line)
    assert float(factor[1]) > 2
    assert "Training on the CPU (bf16)\n" in done.stderr
    assert "Computing in" not in done.stdout


@pytest.mark.process
@on_x86
def test_a_run_that_goes_on_elsewhere_keeps_its_format_also_of_older_checkpoints(photos: Path, tmp_path: Path) -> None:
    path = begin(photos, tmp_path, mixed_precision="bf16")
    checkpoint = load_state(path)
    del checkpoint["progress"]["mixed_precision"]  # as it was before there was a choice
    save_state(path, checkpoint)
    settings = {**FEW, "epochs": 2, "mixed_precision": "auto", "resume": path}
    done = train_on_avx2(data=photos, results_dir=tmp_path, **settings)
    assert done.stdout.splitlines()[0] == "Computing in bf16: as the run began"
    assert "the run began in bf16 and keeps to it" in done.stderr
    assert [start["mixed_precision"] for start in records(tmp_path, "start")] == ["bf16", "bf16"]


def test_the_format_that_auto_took_may_be_named_and_another_may_not(photos: Path, tmp_path: Path) -> None:
    path = begin(photos, tmp_path, mixed_precision="auto")
    taken = load_state(path)["progress"]["mixed_precision"]
    other = {"bf16": "no", "no": "bf16"}[taken]
    settings = {**FEW, "data": photos, "results_dir": tmp_path, "epochs": 2, "resume": str(path)}
    with pytest.raises(UsageError, match=f"mixed_precision was auto, is {other}"):
        train(TrainConfig(**settings, mixed_precision=other))
    train(TrainConfig(**settings, mixed_precision=taken))
    assert [epoch["epoch"] for epoch in records(tmp_path, "epoch")] == [1, 2]


def test_a_run_that_began_in_fp16_does_not_go_on_where_that_is_not_computed() -> None:
    with pytest.raises(UsageError, match="this run began in fp16, which needs a GPU"):
        choose_precision("auto", "fp16", torch.device("cpu"))
