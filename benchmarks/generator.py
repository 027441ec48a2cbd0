"""The whole generator against the same U-Net with plain convolutions."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from benchmarks.networks import PlainUNet, forward_and_backward, photo_with_holes
from benchmarks.table import Table, milliseconds
from benchmarks.timing import interleave
from onar import PConvUNet

SIZES = (256, 512)
NOTE = (
    "Base 64, depth 8, eager, channels_last, one photo, batch norm not folded; forward without gradients and in "
    "evaluation, forward + backward in training. The ratio is the median of the ratios of single turns, and below 1 "
    "where partial convolution costs less than plain convolution; the last column is the ratio of the shortest times."
)


def measure() -> list[Table]:
    """Sizes × precisions × directions."""
    generator = PConvUNet()
    networks = {"plain": PlainUNet(generator), "partial": generator}
    for network in networks.values():
        network.to(memory_format=torch.channels_last)
    rows = [
        [str(size), precision, direction, *compare(networks, size, precision, direction)]
        for size in SIZES
        for precision in ("fp32", "bf16")
        for direction in ("forward", "forward + backward")
    ]
    header = ["pixels", "precision", "direction", "plain, ms", "partial, ms", "ratio", "ratio of best"]
    return [Table("Generator against its plain-convolution twin", NOTE, header, rows)]


def compare(networks: dict[str, nn.Module], size: int, precision: str, direction: str) -> list[str]:
    """Time both networks; the cells of their row."""
    photo, known = photo_with_holes(size, size)
    functions = {}
    for name, network in networks.items():
        network.train(direction != "forward")
        compute = partial(network, photo, known)
        functions[name] = forward_and_backward(compute, list(network.parameters()), precision)[direction]
    plain, ours = interleave(functions).values()
    times = [milliseconds(plain.median), milliseconds(ours.median)]
    return [*times, f"{ours.ratio(plain):.2f}", f"{ours.best / plain.best:.2f}"]
