"""A run that may take some minutes: as many steps as fit, a schedule that ends with them, and an end in time."""

import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from onar import TrainConfig, train
from onar.errors import UsageError
from onar.training.budget import AIM, epoch_ends, steps_that_fit
from onar.weights.tensors import load_state
from tests.support.processes import Process
from tests.support.runs import SMALL, assert_same_weights, records, train_command, wait_until
from tests.training.test_processes import in_processes, train_in_own_folder

# Epochs of twenty steps, and far too many of them.
ENDLESS = {**SMALL, "lambda_content": 0.0, "photos_per_epoch": 80, "epochs": 100_000, "lr_schedule": "cosine"}
PLAN = re.compile(r"^max_minutes \S+: (\d+) steps of (\d+)$", re.MULTILINE)


def seconds_step_by_step(steps: int, left_in_epoch: int, per_epoch: int) -> float:
    """Time of a number of steps when a step takes 2, an epoch's end 5 and the run's end 3, counted one by one."""
    seconds, left = 3, left_in_epoch
    for number in range(steps):
        seconds, left = seconds + 2, left - 1
        if left == 0 and number + 1 < steps:
            seconds, left = seconds + 5, per_epoch
    return seconds + 5


@pytest.mark.parametrize("seconds", [0, 9, 40, 100, 1000])
@pytest.mark.parametrize(("left_in_epoch", "per_epoch"), [(1, 1), (3, 7), (7, 7), (50, 50)])
def test_the_planned_steps_are_the_most_that_fit_in_time(seconds: float, left_in_epoch: int, per_epoch: int) -> None:
    most = 60
    fitting = [n for n in range(1, most + 1) if seconds_step_by_step(n, left_in_epoch, per_epoch) <= AIM * seconds]
    planned = steps_that_fit(seconds, most, lambda n: 2 * n + 5 * epoch_ends(n, left_in_epoch, per_epoch) + 3)
    assert planned == max(fitting, default=0)


@pytest.fixture(scope="module")
def planned(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was cut to fit.

    It plans early and aims at a tenth of its time, so that a busy machine neither keeps it from planning nor ends it.
    """
    results = tmp_path_factory.mktemp("runs") / "planned"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("onar.training.budget.MAX_TIMING", 0.5)
        patch.setattr("onar.training.budget.AIM", 0.1)
        train(TrainConfig(data=photos, results_dir=results, **ENDLESS, max_minutes=1))
    return results


def test_a_run_that_is_cut_to_fit_ends_with_its_schedule_and_the_report_of_its_epoch(planned: Path) -> None:
    (plan,) = records(planned, "plan")
    last = records(planned, "epoch")[-1]
    assert plan["step"] < plan["steps"] < records(planned, "start")[0]["steps"]
    assert last["step"] == plan["steps"]
    assert last["learning_rate_g"] == last["learning_rate_d"] == 0
    assert last["validation"]["onar"]["psnr"] > 0
    assert (planned / "generator_final.pth").exists()


def test_the_number_of_steps_is_kept_by_checkpoint_and_weights(planned: Path, photos: Path, tmp_path: Path) -> None:
    (plan,) = records(planned, "plan")
    before_last = sorted((planned / "checkpoints").glob("*.pt"))[-2]
    assert load_state(before_last)["progress"]["spent"] > 0
    settings = {**ENDLESS, "max_minutes": 1, "resume": str(before_last)}
    train(TrainConfig(data=photos, results_dir=tmp_path, **settings))
    assert records(tmp_path, "start")[0]["steps"] == plan["steps"]
    assert not records(tmp_path, "plan")
    assert_same_weights(planned, tmp_path)


def test_another_time_is_another_length(planned: Path, photos: Path) -> None:
    settings = {**ENDLESS, "data": photos, "results_dir": planned}
    with pytest.raises(UsageError, match=r"max_minutes was 1\.0, is 5\.0.*train it for longer with resume"):
        train(TrainConfig(**settings, max_minutes=5))


def test_time_enough_changes_nothing(
    finished: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("onar.training.budget.MAX_TIMING", 1e-9)  # the plan is made after the second step
    train(TrainConfig(data=photos, results_dir=tmp_path, **SMALL, max_minutes=1000))
    assert "max_minutes 1000: all 6 steps\n" in capsys.readouterr().out
    assert_same_weights(finished, tmp_path)


@pytest.mark.process
def test_on_a_machine_that_becomes_slower_the_run_ends_when_its_time_is_over(photos: Path, tmp_path: Path) -> None:
    command = train_command(data=photos, results_dir=tmp_path, **ENDLESS, max_minutes=0.15)
    with Process(*command) as process:
        while not (plan := PLAN.match(process.stdout.readline())):
            assert process.poll() is None
        process.send_signal(signal.SIGSTOP)
        over = time.monotonic() + 0.15 * 60
        wait_until(lambda: time.monotonic() > over)
        process.send_signal(signal.SIGCONT)
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    ended = re.search(r"^max_minutes 0\.15: the time is over after (\d+) steps of (\d+), which took", said, re.M)
    assert int(ended[1]) < int(ended[2]) == int(plan[1])
    assert records(tmp_path, "epoch")[-1]["step"] == int(ended[1])
    assert (tmp_path / "generator_final.pth").exists()


def train_early(settings: dict[str, Any], folder: Path) -> str:
    """Train for a share of the time, which is enough for a plan."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("onar.training.budget.AIM", 0.2)
        return train_in_own_folder(settings, folder)


@pytest.mark.process
def test_the_main_process_decides_for_all(photos: Path, tmp_path: Path) -> None:
    main, other = in_processes(2, train_early, {**ENDLESS, "data": photos, "max_minutes": 0.1}, tmp_path)
    assert (len(PLAN.findall(main)), other) == (1, "")
    assert records(tmp_path / "0", "epoch")[-1]["step"] == records(tmp_path / "0", "plan")[-1]["steps"]
    assert (tmp_path / "0" / "generator_final.pth").exists()
