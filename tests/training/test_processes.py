"""Several processes train as one: real processes, which talk over Gloo on the CPU."""

import contextlib
import io
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch import distributed, nn

from onar import TrainConfig, train
from onar.errors import OnarError
from onar.system.processes import from_main_with_tensors, process_index
from onar.training.fit import prepare
from onar.training.gan.launch import check_launch, start_processes
from onar.training.gan.task import GeneratorTask
from onar.training.results_folder import Results
from tests.support.processes import Process, run
from tests.support.runs import SMALL, assert_same_weights, has_ended, records, state, train_command, wait_until
from tests.training.test_step import batch, small_gan

pytestmark = pytest.mark.process

# The processes are forked from one that has imported all they need: importing it in each would take most of the time.
FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(["tests.training.test_processes", "torch._dynamo", "torchmetrics"])

LAUNCHER = ("-m", "accelerate.commands.launch")

# In two processes an epoch is 24 steps, the last of them with four photos.
SETTINGS = {**SMALL, "epochs": 1, "photos_per_epoch": 188, "val_share": 0.2, "lambda_content": 0.0}


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A run of two processes with four photos each, and what each process printed."""
    folder = tmp_path_factory.mktemp("runs")
    return folder, in_processes(2, train_in_own_folder, {**SETTINGS, "data": photos}, folder)


def in_processes(count: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Results of the work in each of several processes that train together."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with ProcessPoolExecutor(count, mp_context=FORKSERVER) as pool:
        jobs = [pool.submit(join, rank, count, port, work, arguments) for rank in range(count)]
        return [job.result() for job in jobs]


def join(rank: int, count: int, port: int, work: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    here = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in here.items()}, MASTER_ADDR="127.0.0.1")
    torch.set_num_threads(1)
    try:
        return work(*arguments)
    finally:
        if distributed.is_initialized():  # else the others would wait for one that has failed
            distributed.destroy_process_group()


def train_in_own_folder(settings: dict[str, Any], folder: Path) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        train(TrainConfig(**settings, results_dir=folder / os.environ.get("RANK", "0")))
    return printed.getvalue()


# ---------------------------------------------------------------- one step
def gradients_of_a_step(*shares: int, accumulated: bool = False) -> tuple[dict[str, float], list[np.ndarray]]:
    """The losses of a first step on eight photos divided among the processes, and Adam's averages of the gradients."""
    gan = small_gan(lambda_style=1.0, lambda_tv=0.1, lambda_adv=0.0 if accumulated else 1.0)
    photo, known = batch(8)
    end = sum(shares[: process_index() + 1])
    own = [(photo[end - shares[process_index()] : end], known[end - shares[process_index()] : end])]
    if accumulated:
        gan.generator.eval()  # batch statistics are those of one batch
        own = list(zip(*(part.chunk(2) for part in own[0]), strict=True))
    losses = gan.step(own)
    optimizers = [gan.state_dict()[name]["state"] for name in ("optimizer_g", "optimizer_d")]
    statistics = [buffer.float().numpy() for buffer in gan.kept_generator.buffers()]
    return losses, statistics + [weight["exp_avg"].numpy() for part in optimizers for weight in part.values()]


def gradients_of_steps(divisions: list[tuple[int, ...]]) -> list[tuple[dict[str, float], list[np.ndarray]]]:
    return [gradients_of_a_step(*shares, accumulated=choice) for choice in (False, True) for shares in divisions]


@pytest.mark.parametrize("divisions", [[(4, 4), (5, 3)], [(3, 3, 2), (2, 2, 4)]], ids=["two", "three"])
def test_a_step_has_the_losses_gradients_and_batch_statistics_of_one_process(divisions: list[tuple[int, ...]]) -> None:
    """So the means of RaGAN and of batch norm run over all processes, and each photo counts the same."""
    alone = [gradients_of_a_step(8)] * 2 + [gradients_of_a_step(8, accumulated=True)] * 2
    for together in in_processes(len(divisions[0]), gradients_of_steps, divisions):
        for (losses, gradients), (expected_losses, expected) in zip(together, alone, strict=True):
            assert losses == pytest.approx(expected_losses, rel=1e-5)
            largest = max(np.abs(gradient).max() for gradient in expected)
            for one, other in zip(gradients, expected, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6 * largest)


# ---------------------------------------------------------------- a run
def test_two_processes_are_one_of_double_batch(trained: tuple[Path, list[str]], photos: Path, tmp_path: Path) -> None:
    train(TrainConfig(**{**SETTINGS, "batch_size": 8}, data=photos, results_dir=tmp_path))
    together, _ = trained
    for one, other in zip(records(together / "0", "step"), records(tmp_path, "step"), strict=True):
        names = [name for name in one if name.endswith("_loss")]
        assert [one[name] for name in names] == pytest.approx([other[name] for name in names], rel=1e-4)
    for name in ("generator_final.pth", "discriminator_final.pth"):
        weights, expected = state(together / "0" / name), state(tmp_path / name)
        # RaGAN compares predictions, so this bias has no gradient but rounding, which Adam follows all the same.
        expected.pop("layers.8.bias", None)
        for key, value in expected.items():
            torch.testing.assert_close(weights[key], value, rtol=1e-4, atol=2e-5)
    scores = [records(folder, "epoch")[-1]["validation"] for folder in (together / "0", tmp_path)]
    for method, expected_scores in scores[1].items():
        assert scores[0][method] == pytest.approx(expected_scores, rel=1e-3)


def test_only_the_main_process_writes_and_prints(trained: tuple[Path, list[str]]) -> None:
    folder, (main, other) = trained
    assert ([path.name for path in folder.iterdir()], main.count("Epoch 1 average")) == (["0"], 1)
    assert other == ""


def photos_of_an_epoch(settings: dict[str, Any], folder: Path) -> list[list[int]]:
    config = TrainConfig(**settings, results_dir=folder)
    task = GeneratorTask(config, start_processes(config).device)
    prepare(task, config, Results(folder))
    return [sample["index"].tolist() for sample in task.loader]


@pytest.mark.parametrize("count", [2, 3])
def test_the_processes_share_out_every_photo_once(count: int, photos: Path, tmp_path: Path) -> None:
    settings = {**SMALL, "data": photos, "batch_size": 2, "val_share": 0, "lambda_content": 0.0}
    parts = in_processes(count, photos_of_an_epoch, settings, tmp_path)
    assert len({len(part) for part in parts}) == 1
    assert sorted(index for part in parts for batch in part for index in batch) == list(range(10))


def train_with_every_option(settings: dict[str, Any], folder: Path) -> None:
    options = {"mixed_precision": "bf16", "accumulation_steps": 2, "ema_decay": 0.9, "base_fill": "pyramid"}
    train(TrainConfig(**settings, **options, max_steps=3, results_dir=folder))


@pytest.mark.parametrize("frozen", [{"freeze_batch_norm": True}, {"finetune_share": 0.7}])
def test_options_of_training_work_in_two_processes(frozen: dict[str, Any], photos: Path, tmp_path: Path) -> None:
    in_processes(2, train_with_every_option, {**SETTINGS, "data": photos, **frozen}, tmp_path)
    steps = records(tmp_path, "step")
    assert len(steps) == 3
    assert all(np.isfinite(step["G_loss"]) for step in steps)


def error_of_training(settings: dict[str, Any], folder: Path) -> str:
    try:
        return train_in_own_folder(settings, folder)
    except (OnarError, SystemExit) as error:
        return f"{type(error).__name__}: {error}"


def test_a_wrong_setting_is_reported_once(tmp_path: Path) -> None:
    main, other = in_processes(2, error_of_training, {**SETTINGS, "data": tmp_path / "nowhere"}, tmp_path)
    assert main.startswith("OnarError: no photos")
    assert other == "SystemExit: 1"


def test_a_launcher_that_starts_one_process_instead_of_several_is_noticed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    launched = run(*LAUNCHER, "--cpu", "--num_processes", "2", "--no_python", "env", code=0)
    assert "WORLD_SIZE" not in launched.stdout
    for line in launched.stdout.splitlines():
        if line.startswith(("ACCELERATE_", "MASTER_")):
            monkeypatch.setenv(*line.split("=", 1))
    start_processes(TrainConfig(device="cpu"))
    assert "several only with --multi_gpu" in capsys.readouterr().err


def test_processes_that_would_train_alone_into_one_folder_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = start_processes(TrainConfig(device="cpu"))
    monkeypatch.setenv("WORLD_SIZE", "2")  # as a launcher sets it, also for devices that Accelerate trains alone on
    with pytest.raises(OnarError, match="each would train alone on cpu"):
        check_launch(processes)


# ---------------------------------------------------------------- processes that end too early
def interrupt_one_process(settings: dict[str, Any], folder: Path) -> str:
    """How a training ends of which only the second process is interrupted, after the first step."""
    if os.environ["RANK"] == "1":
        threading.Thread(target=interrupt_after_a_step, args=(folder / "0",)).start()
    try:
        return train_in_own_folder(settings, folder)
    except (KeyboardInterrupt, SystemExit) as stop:
        return f"{type(stop).__name__}: {stop}"


def interrupt_after_a_step(results: Path) -> None:
    wait_until(lambda: any(record["kind"] == "step" for record in Results(results).records()))
    os.kill(os.getpid(), signal.SIGINT)


def wait_for(folder: Path, pattern: str) -> None:
    wait_until(lambda: any(folder.glob(pattern)))


def test_an_interrupted_process_stops_all_after_the_same_step_and_they_go_on_bit_for_bit(
    trained: tuple[Path, list[str]], photos: Path, tmp_path: Path
) -> None:
    settings = {**SETTINGS, "data": photos}
    main, other = in_processes(2, interrupt_one_process, settings, tmp_path)
    stopped_after = records(tmp_path / "0", "step")[-1]["step"]
    assert main.startswith(f"KeyboardInterrupt: Stopped after step {stopped_after}; saved")
    assert other == "SystemExit: 130"
    assert [path.stem for path in (tmp_path / "0" / "checkpoints").glob("*.pt")] == [f"step_{stopped_after:08d}"]
    again, _ = in_processes(2, train_in_own_folder, settings, tmp_path)
    assert f"Going on after step {stopped_after} of 24" in again
    assert_same_weights(trained[0] / "0", tmp_path / "0")


def made_state() -> dict[str, Any]:
    """Tensors of several types, shapes and orders of memory, as a checkpoint holds them."""
    numbers = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    return {
        "network": nn.BatchNorm2d(3).state_dict(),  # has a version beside its tensors
        "kernels": [numbers.float().to(memory_format=torch.channels_last), numbers.bfloat16().transpose(1, 3)],
        "none": torch.empty(0, 3),
        "step": (torch.tensor(7), torch.tensor(True), 7, "seven", Path("seven")),
        "half": {1: {"exp_avg": torch.full((3,), 0.5, dtype=torch.float64)}},
    }


def shared_state() -> bool:
    device = start_processes(TrainConfig(device="cpu")).device
    found = from_main_with_tensors(lambda: made_state() if process_index() == 0 else {}, device)
    expected = made_state()
    torch.testing.assert_close(found["kernels"], expected["kernels"], rtol=0, atol=0, check_stride=True)
    assert found["network"]._metadata == expected["network"]._metadata
    assert found["step"] == expected["step"]
    for name in ("network", "none", "half"):
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=0, check_stride=True)
    return True


def test_tensors_of_the_main_process_are_the_same_in_all() -> None:
    assert in_processes(3, shared_state) == [True] * 3


def test_an_error_of_the_main_process_is_one_line_and_the_others_end() -> None:
    assert in_processes(2, error_of_sharing) == ["OnarError: no state", "SystemExit: 1"]


def error_of_sharing() -> str:
    device = start_processes(TrainConfig(device="cpu")).device
    try:
        from_main_with_tensors(refuse, device)
    except (OnarError, SystemExit) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def refuse() -> None:
    raise OnarError("no state")


def test_a_killed_process_ends_the_run_and_any_number_of_processes_goes_on(photos: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "data": photos, "val_share": 0, "checkpoint_minutes": 0.0001}
    two = ["--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]
    with Process(*LAUNCHER, *two, *train_command(**settings, results_dir=tmp_path / "two")) as process:
        wait_for(tmp_path / "two" / "checkpoints", "step_*.pt")
        ranks = {child.environ().get("RANK"): child for child in psutil.Process(process.pid).children()}
        # The launcher would stop the other as soon as it saw the death; here that notices by itself.
        process.send_signal(signal.SIGSTOP)
        ranks["1"].kill()
        wait_until(lambda: has_ended(ranks["0"]))
        process.send_signal(signal.SIGCONT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "another process of this training died" in errors, errors
    assert not any(rank.is_running() for rank in ranks.values())
    checkpoint = max((tmp_path / "two" / "checkpoints").glob("step_*.pt"))
    step = int(checkpoint.stem.removeprefix("step_"))
    left = SETTINGS["photos_per_epoch"] - 8 * step
    assert left > 0
    settings["resume"] = str(checkpoint)
    train_in_own_folder(settings, tmp_path / "one")
    in_processes(3, train_in_own_folder, settings, tmp_path / "three")
    for name, photos_of_a_step in (("one", 4), ("three", 12)):
        (epoch,) = records(tmp_path / name / "0", "epoch")
        assert epoch["epochs_done"] == 1
        assert epoch["step"] == step - (-left // photos_of_a_step)


def wait_for_a_silent_process(settings: dict[str, Any], folder: Path) -> str:
    """Output of the first process when the second one does nothing until then."""
    if os.environ["RANK"] == "0":
        error = error_of_training(settings, folder)
        (folder / "done").touch()
        return error
    start_processes(TrainConfig(**settings))
    wait_for(folder, "done")
    return ""


def test_a_process_that_does_not_answer_is_waited_for_as_long_as_configured(photos: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "data": photos, "process_timeout": 0.1}
    error, _ = in_processes(2, wait_for_a_silent_process, settings, tmp_path)
    assert error.startswith("OnarError: another process of this training died")
