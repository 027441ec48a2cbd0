"""Train a generator on a folder of photos: `train(TrainConfig(data="./data"))`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from onar.data.batches import leave_to_main_process
from onar.errors import OnarError
from onar.settings.training import TrainConfig
from onar.system.processes import naming_lost_processes
from onar.training.fit import fit
from onar.training.gan.launch import start_processes
from onar.training.gan.task import GeneratorTask
from onar.training.results_folder import Results

_RUNNING = Lock()


def train(config: TrainConfig) -> Path:
    """Train a generator and a discriminator on a folder of photos, alone or as one of several processes.

    Args:
        config: everything the run depends on; the same configuration gives the same weights (on the CPU, bit for bit).

    Returns:
        The path of the generator's weights, `generator_final.pth` in the results folder.

    Raises:
        OnarError: no usable photo, content network, results folder or device, a loss or gradient is not finite,
            memory ran out, or another process of the training was lost.
        KeyboardInterrupt: Ctrl-C; the run has been saved, and the same call goes on with it. Processes other than the
            main one raise SystemExit(130).
    """
    leave_to_main_process()
    results = Results(config.results_dir)
    with _alone():
        processes = start_processes(config)
        with _naming_compile_errors(), naming_lost_processes():
            task = GeneratorTask(config, processes.device)
            fit(task, config, results)
            task.gan.accelerator.wait_for_everyone()
            task.gan.accelerator.end_training()
    return results.generator


@contextmanager
def _alone() -> Iterator[None]:
    """Refuse a second training in this process, whose settings of Accelerate would replace those of the first."""
    if not _RUNNING.acquire(blocking=False):
        raise OnarError("another training is running in this process: wait for it, or start this one as a process")
    try:
        yield
    finally:
        _RUNNING.release()


@contextmanager
def _naming_compile_errors() -> Iterator[None]:
    """Turn the errors of a machine without a compiler into one line; raises `OnarError`."""
    try:
        yield
    except RuntimeError as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):  # seconds to import
            raise
        reason = str(error).strip().splitlines()[0]
        raise OnarError(f"`compile` failed, train without it: {reason}") from error
