"""The generators: one record each, by which they are built, trained, loaded, exported and tested."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from onar.models.graphs.pconv_unet import pconv_unet
from onar.models.graphs.pyramid import pyramid_fill
from onar.models.pconv_unet import PConvUNet
from onar.models.pyramid_fill import PyramidFill
from onar.models.wrapping import BASE_FILLS

if TYPE_CHECKING:
    from onar.models.graphs.graph import Graph  # which brings the package onnx

MAX_DEPTH = 16  # levels of a generator; more would halve any photo to nothing


@dataclass(frozen=True)
class Generator:
    """A generator, `completed = network(photo * known, known)`; calling the record builds the network.

    Attributes:
        network: the class. It has an `architecture`, its name and arguments, and may have `channels` of its photos, 3
            where it has none, and a `step`, the side in pixels to whose multiples it pads photos.
        arguments: the arguments that a weights file may name, and whether a value is valid; training takes the
            settings of those names.
        graph: builds its ONNX graph from the architecture, the photo and the known map; None: it is not exported.
        small: arguments of networks that the shared tests build.

    >>> GENERATORS["PConvUNet"](base_channels=4, depth=3).architecture["depth"]
    3
    """

    network: Callable[..., nn.Module]
    arguments: Mapping[str, Callable[[Any], bool]]
    graph: Callable[[Graph, Mapping[str, Any], str, str], str] | None = None
    small: Sequence[Mapping[str, Any]] = ({},)

    def __call__(self, **arguments: Any) -> nn.Module:
        """Build the network; raises what its class does where an argument is wrong."""
        return self.network(**arguments)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


GENERATORS: dict[str, Generator] = {
    "PConvUNet": Generator(
        network=PConvUNet,
        arguments={
            "base_channels": _is_count,
            "depth": lambda value: _is_count(value) and 1 <= value <= MAX_DEPTH,
            "base_fill": lambda value: value in BASE_FILLS,
            "correction_window": lambda value: _is_count(value) and (value == 0 or value % 2 == 1),
            "normalised": lambda value: type(value) is bool,
            "colour_channels": _is_count,
            "channels": lambda value: _is_count(value) and value > 0,
            "pretrained_features": lambda value: type(value) is bool,
        },
        graph=pconv_unet,
        small=(
            {"base_channels": 8, "depth": 4},
            {"base_channels": 8, "depth": 4, "base_fill": "pyramid"},
            {"base_channels": 8, "depth": 4, "normalised": True},
            {"base_channels": 8, "depth": 2, "base_fill": "pyramid", "colour_channels": 6},
            {"base_channels": 8, "depth": 3, "base_fill": "pyramid", "correction_window": 5, "channels": 1},
            {"base_channels": 4, "depth": 5, "base_fill": "pyramid", "pretrained_features": True},
        ),
    ),
    "PyramidFill": Generator(network=PyramidFill, arguments={}, graph=pyramid_fill),
}
"""By the name that an `architecture` says."""
