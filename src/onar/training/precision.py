"""Number format of a training: bfloat16 is fast where a processor multiplies it, and slow where it is emulated.

On a processor without instructions for it, torch computes the gradients of a bfloat16 convolution on one thread and
with many conversions.
"""

from __future__ import annotations

import platform
import time
from typing import Literal

import torch
from torch.nn.functional import conv2d

from onar.errors import UsageError
from onar.settings.options import Precision
from onar.system.console import say, warn
from onar.system.devices import describe_device, unused_gpu
from onar.system.state import cpu_threads

REPEATS = 3


def choose_precision(setting: Literal["auto"] | Precision, kept: Precision | None, device: torch.device) -> Precision:
    """Choose the number format of a run; report the choice of "auto", and warn when bf16 is slow on this device.

    Args:
        setting: of the user; with "auto" bf16 where the device multiplies it, and fp32 elsewhere.
        kept: the format that the run began with, when it is going on; it stays, also on another device.
        device: where the run computes.

    Raises:
        UsageError: the run began in fp16, and the device is a CPU.
    """
    if kept == "fp16" and device.type == "cpu":
        raise UsageError("this run began in fp16, which needs a GPU: go on where there is one")
    multiplies = multiplies_bf16(device)
    precision = kept or (setting if setting != "auto" else "bf16" if multiplies else "no")
    here = "this CPU" if device.type == "cpu" else "this GPU"
    if setting == "auto":
        reason = f"{here} multiplies it" if multiplies else f"{here} does not multiply bf16, according to torch"
        say(f"Computing in {'fp32' if precision == 'no' else precision}: {'as the run began' if kept else reason}")
    if precision == "bf16" and not multiplies and (factor := bf16_slowdown(device)) > 1:
        advice = "the run began in bf16 and keeps to it" if kept else "mixed_precision auto takes fp32 here"
        warn(f"onar: {here} emulates bf16: a convolution took {factor:.1f} times as long as in fp32 just now; {advice}")
    return precision


def announce_device(device: torch.device, setting: str, precision: str, processes: int = 1) -> None:
    """Report on stderr where a training computes, and in which number format; on the CPU also that GPUs are faster.

    Args:
        device: where it computes.
        setting: `device` of the user: who names the CPU needs no advice.
        precision: `mixed_precision` of the user; `choose_precision` says what auto chooses.
        processes: that train together.
    """
    count = f"{processes} × " if processes > 1 else ""
    kind = "" if precision == "auto" else f" ({'fp32' if precision == 'no' else precision})"
    advice = ""
    if device.type == "cpu" and setting == "auto":
        reason = unused_gpu()
        advice = f", tens of times slower than on a GPU{f'. But {reason}' if reason else ''}"
    warn(f"Training on {count}{describe_device(device)}{kind}{advice}")


def multiplies_bf16(device: torch.device) -> bool:
    """Whether a device has instructions that multiply bfloat16, according to torch, which does not know it of MPS."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and _cpu_multiplies_bf16()


def _cpu_multiplies_bf16() -> bool:
    try:
        # oneDNN follows ONEDNN_MAX_CPU_ISA, but on x86 it says yes to any AVX-512, also where it computes in fp32 and
        # rounds, in twice the time.
        convolves = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
        is_x86 = platform.machine().lower() in ("x86_64", "amd64")
        return convolves and (not is_x86 or bool(torch.cpu._is_avx512_bf16_supported()))
    except (AttributeError, RuntimeError):  # torch has no public function for this, and a version may lack these
        return False


def bf16_slowdown(device: torch.device) -> float:
    """Time of a convolution with its gradients in bf16 over that in fp32, measured now.

    On one thread of a CPU: several would wait for each other where other programs use the cores, and hide the factor.
    """
    # in the order of memory of training, channels_last.
    photo = torch.full((4, 32, 32, 32), 0.5, device=device).to(memory_format=torch.channels_last).requires_grad_()
    kernel = torch.full((32, 32, 3, 3), 0.01, device=device).to(memory_format=torch.channels_last).requires_grad_()

    def seconds(bf16: bool) -> float:
        started = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            result = conv2d(photo, kernel, padding=1)
        gradients = torch.autograd.grad(result.float().sum(), (photo, kernel))
        gradients[1].sum().item()  # waits for a GPU
        return time.perf_counter() - started

    with cpu_threads(1):
        turns = [(seconds(True), seconds(False)) for _ in range(1 + REPEATS)][1:]  # the first warms up
    return min(in_bf16 for in_bf16, _ in turns) / min(in_fp32 for _, in_fp32 in turns)
