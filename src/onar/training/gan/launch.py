"""The processes of a training, as a launcher has started them, and their devices."""

from __future__ import annotations

import os
from datetime import timedelta
from importlib.util import find_spec

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import GradientAccumulationPlugin, TorchDynamoPlugin, parse_flag_from_env

from onar.errors import OnarError, UsageError
from onar.settings.options import Precision
from onar.settings.training import TrainConfig
from onar.system.console import warn
from onar.system.devices import choose_device
from onar.system.processes import naming_lost_processes

OTHER_ENGINES = ("DEEPSPEED", "FSDP", "MEGATRON_LM", "PARALLELISM_CONFIG")
"""Engines of `accelerate launch` that split networks."""
MPI_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
"""Variables of MPI with the number of processes, as Accelerate reads them on CPUs."""


def trains_on_cpu(config: TrainConfig) -> bool:
    """Whether the run is on the CPU, by its settings or those of a launcher; raises `UsageError` without the device."""
    return choose_device(config.device).type == "cpu" or parse_flag_from_env("ACCELERATE_USE_CPU")


def start_processes(config: TrainConfig) -> PartialState:
    """Take the device that `config` asks for, and meet the other processes of the training when there are any.

    Raises:
        UsageError: the device is not there, or cannot compute what is asked for.
        OnarError: the tracker is missing, another process was lost, or a launcher started something else.
    """
    on_cpu = trains_on_cpu(config)
    refuse_launch(on_cpu)
    if (gpu := choose_device(config.device)).index is not None:
        if "LOCAL_RANK" in os.environ:
            raise UsageError(f"`device` {config.device} is one GPU, and each process takes its own: use cuda or auto")
        torch.cuda.set_device(gpu)
    if config.mixed_precision == "fp16" and on_cpu:
        raise UsageError("`mixed_precision` fp16 needs a GPU; use auto")
    if config.track != "none" and find_spec(config.track) is None:
        raise OnarError(f'`track` {config.track} needs pip install "onar[{config.track}]"')
    # accelerate keeps its settings for the life of the process; a second run must not inherit the first one's.
    AcceleratorState._reset_state(reset_partial_state=True)
    with naming_lost_processes():
        processes = PartialState(cpu=on_cpu, timeout=timedelta(minutes=config.process_timeout))
    check_launch(processes)
    return processes


def start_accelerator(config: TrainConfig, precision: Precision) -> Accelerator:
    """Make the accelerator for a number format, once the processes have met."""
    AcceleratorState._reset_state()
    tracker = {"log_with": config.track, "project_dir": str(config.results_dir)} if config.track != "none" else {}
    return Accelerator(
        cpu=PartialState().device.type == "cpu",
        mixed_precision=precision,
        # said here, or a launcher's environment would decide.
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
        dynamo_plugin=TorchDynamoPlugin(backend="no"),
        **tracker,
    )


def refuse_launch(on_cpu: bool) -> None:
    """Raise `UsageError` when a launcher's environment asks for something that a training cannot do."""
    for name in OTHER_ENGINES:
        if parse_flag_from_env(f"ACCELERATE_USE_{name}"):
            raise UsageError(
                f"ACCELERATE_USE_{name} is set, but every process of a training keeps whole networks: start it with "
                "torchrun, or with accelerate launch without that engine"
            )
    for name in ("WORLD_SIZE", *(MPI_SIZES if on_cpu else ())):
        count = os.environ.get(name, "1")
        if not count.isdecimal():
            raise UsageError(f"{name} is {count!r}, not the number of processes that train together: unset it")
        if int(count) > 1 and not os.environ.get("MASTER_ADDR"):
            raise UsageError(
                f"{name} says that {count} processes train together, but MASTER_ADDR does not say where they meet: "
                f"start them with torchrun, or unset {name} to train in one"
            )


def check_launch(processes: PartialState) -> None:
    """Raise `OnarError` when a launcher and this process disagree on the number of processes."""
    if int(os.environ.get("WORLD_SIZE", "1")) > processes.num_processes:
        raise OnarError(
            f"several processes were started, but each would train alone on {processes.device.type}: start one with "
            "`onar train`, or several with torchrun for CUDA or `device` cpu"
        )
    if processes.num_processes == 1 and {"ACCELERATE_MIXED_PRECISION", "MASTER_PORT"} <= os.environ.keys():
        warn(
            "onar: training in one process; where there is one GPU or none, `accelerate launch` starts several only "
            "with --multi_gpu"
        )
