"""Generators of other projects compared with ours, as a user would run them on a CPU."""

from __future__ import annotations

import os
from collections.abc import Callable
from runpy import run_path

import numpy as np
import torch
from torch import nn

from benchmarks.networks import photo_with_holes
from benchmarks.table import Table, milliseconds
from benchmarks.timing import interleave
from onar import PConvUNet
from onar.checkpoint import load_generator
from onar.inference.backends import OnnxBackend
from onar.weights.bundled import bundled_weights

MIGAN = "MIGAN_INFERENCE"
"""Environment variable with a path: `lib/model_zoo/migan_inference.py` in a checkout of Picsart-AI-Research/MI-GAN."""
SIZE = 512
NOTE = (
    f"One photo of {SIZE} pixels a side, forward, the same threads. MI-GAN (Sargsyan et al., ICCV 2023) with random "
    f"weights, which cost the same as trained ones: the environment variable {MIGAN} has its path."
)


@torch.no_grad()
def measure() -> list[Table]:
    """Seconds and parameters of each generator."""
    photo, known = photo_with_holes(SIZE, SIZE, batch=1)
    arrays = photo.numpy(), known.numpy()
    bundled, guide = load_generator(bundled_weights()), PConvUNet().eval()
    ours = OnnxBackend(bundled_weights(), "cpu", torch.get_num_threads())
    functions: dict[str, Callable[[], object]] = {
        "bundled weights, ONNX Runtime": lambda: ours.run(*arrays),
        "bundled weights, PyTorch": lambda: bundled(photo, known),
        "`PConvUNet()`, PyTorch": lambda: guide(photo, known),
    }
    sizes = [_millions(bundled), _millions(bundled), _millions(guide)]
    if path := os.environ.get(MIGAN):
        migan = _load_migan(path)
        given = torch.cat([known - 0.5, photo * known], dim=1)
        functions["MI-GAN, PyTorch"] = lambda: migan(given)
        sizes.append(_millions(migan))
    times = interleave(functions)
    first = next(iter(times.values()))
    rows = [
        [name, size, milliseconds(one.median), f"{one.ratio(first):.1f}"]
        for (name, one), size in zip(times.items(), sizes, strict=True)
    ]
    return [Table("Peers", NOTE, ["generator", "million parameters", "median, ms", "ratio to the first"], rows)]


def _load_migan(path: str) -> nn.Module:
    generator: nn.Module = run_path(path)["Generator"](resolution=SIZE)
    return generator.eval()


def _millions(network: nn.Module) -> str:
    return f"{np.sum([weight.numel() for weight in network.parameters()]) / 1e6:.1f}"
