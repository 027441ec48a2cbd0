"""Weights files: which network they belong to, and loading them strictly."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import tomli_w
import torch
from safetensors.torch import save
from torch import Tensor, nn

from onar.errors import OnarError
from onar.imaging.formats.endings import ending_of
from onar.models import GENERATORS
from onar.settings.checks import read_toml
from onar.settings.training import DataConfig, settings_to_share
from onar.weights.files import FORMAT, NEWER, read_generator_file, refuse_misfit, refuse_newer, usual_training_size
from onar.weights.tensors import load_state, save_state

StateDict = dict[str, Tensor]

RECIPE, LOG = "config.toml", "log.jsonl"
"""What tells in the folder of a run how its weights were trained."""

MOST_OF_LINE = 1 << 16
"""Bytes in which the last line of a log is looked for."""


def save_weights(path: Path, network: nn.Module) -> None:
    """Write a plain state dict that ``network.load_state_dict(torch.load(path))`` reads, whole or not at all."""
    save_state(path, _plain_state(network))


def save_half_precision(path: Path, generator: nn.Module, metadata: dict[str, str]) -> None:
    """What `save_safetensors` does, in float16 and half as large."""
    save_safetensors(path, generator, metadata, torch.float16)


def save_safetensors(
    path: Path, generator: nn.Module, metadata: dict[str, str], dtype: torch.dtype = torch.float32
) -> None:
    """Write a generator as safetensors.

    Args:
        path: the file.
        generator: one of `GENERATORS`, or another network that has an `architecture`.
        metadata: what else the file should say, beside the architecture: `format`, `training_size`, keys of `RECORD`.
        dtype: of its floating-point numbers.
    """
    state = {
        key: value.to(dtype) if value.is_floating_point() else value for key, value in _plain_state(generator).items()
    }
    # Not `save_file`, whose files only their owner may read.
    path.write_bytes(save(state, {"architecture": json.dumps(generator.architecture), **metadata}))


def _plain_state(network: nn.Module) -> StateDict:
    """The state dict as it is written: on the CPU, in the usual order of memory."""
    return {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}


@dataclass(frozen=True)
class LoadedWeights:
    """A generator, and what its file and the run that left it say.

    Attributes:
        generator: in evaluation mode on the CPU.
        training_size: side in pixels of the crops it was trained on; where nothing says it, that of its depth.
        record: how it was trained, with keys of `RECORD`; empty where nothing says it.
    """

    generator: nn.Module
    training_size: int
    record: dict[str, str]


def load_weights(path: Path) -> LoadedWeights:
    """Build the generator a weights file belongs to and load it.

    Args:
        path: ``.safetensors`` with its architecture in the metadata, ``.pth`` with a plain state dict whose shapes
            tell the architecture, or a checkpoint of a run. What the last two do not say is read from the run's folder.

    Raises:
        OnarError: the file is missing, damaged or unsafe, or holds another kind of network, or one of a newer version.
    """
    if ending_of(path.name) == ".safetensors":
        return _load_safetensors(path)
    content = load_state(path)
    state = _weights_of_run(content, path) if "gan" in content else content
    generator = _build(infer_architecture(state, path), state, path)
    depth = getattr(generator, "depth", None)
    size = _size_in_recipe(_run_folder(path), depth) or usual_training_size(depth)
    return LoadedWeights(generator, size, _record_of_run(_run_folder(path)))


def load_generator(path: Path) -> nn.Module:
    """The generator of `load_weights` alone."""
    return load_weights(path).generator


def load_safetensors(path: Path) -> nn.Module:
    """What `load_generator` does, for a safetensors file of any name."""
    return _load_safetensors(path).generator


def _load_safetensors(path: Path) -> LoadedWeights:
    file = read_generator_file(path, GENERATORS)
    state = {key: torch.from_numpy(value) for key, value in file.weights.items()}
    return LoadedWeights(_build(file.architecture, state, path), file.training_size, file.record)


def _build(architecture: dict[str, Any], state: StateDict, path: Path) -> nn.Module:
    arguments = {key: value for key, value in architecture.items() if key != "generator"}
    try:
        generator = GENERATORS[architecture["generator"]](**arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        raise OnarError(f"{path} holds no network that can be built ({error}){NEWER}") from error
    load_strictly(generator, state, path)
    return generator.eval()


def load_into(generator: nn.Module, path: Path) -> None:
    """Load weights into a generator; raises `OnarError` when they do not fit it or cannot be read."""
    copy_into(generator, load_generator(path), path)


def copy_into(generator: nn.Module, loaded: nn.Module, path: Path) -> None:
    """Copy the weights of a generator that a file holds; raises `OnarError` when they do not fit."""
    if _settings_of_weights(loaded) != _settings_of_weights(generator):
        raise OnarError(
            f"{path} holds a {_describe(loaded)}; this run has a {_describe(generator)}: give it the settings of "
            "the file, or other weights"
        )
    generator.load_state_dict(loaded.state_dict())


def kept_weights(checkpoint: dict[str, Any]) -> StateDict:
    """The generator that the checkpoint of a run would leave as its result: the average when there is one."""
    gan = checkpoint["gan"]
    average = {key.removeprefix("module."): value for key, value in gan.get("average", {}).items()}
    average.pop("n_averaged", None)
    return average or dict(gan["generator"])


def _weights_of_run(checkpoint: dict[str, Any], path: Path) -> StateDict:
    refuse_newer(checkpoint.get("format", FORMAT), path)
    try:
        return kept_weights(checkpoint)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OnarError(f"{path} is no checkpoint that this version knows{NEWER}") from error


def _size_in_recipe(run: Path, depth: int | None) -> int | None:
    """Larger side of the crops in a run's configuration; None where another program's lies there, or none."""
    with suppress(OnarError, KeyError):
        recipe = read_toml(run / RECIPE)
        if recipe.get("depth", depth) == depth:
            return max(DataConfig(img_size=recipe["img_size"]).height_width)
    return None


def _record_of_run(run: Path) -> dict[str, str]:
    """What a run's folder says of its weights, without the names of files and folders, and of its own run alone."""
    record = {}
    with suppress(OnarError):
        if recipe := settings_to_share(read_toml(run / RECIPE)):
            record["recipe"] = tomli_w.dumps(recipe).strip()
    with suppress(OSError, ValueError, TypeError), (run / LOG).open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - MOST_OF_LINE))
        last = log.read().strip().rpartition(b"\n")[2].decode()
        if "kind" in json.loads(last):
            record["log"] = last
    return record


def _run_folder(weights: Path) -> Path:
    """The folder of the run that left weights, or checkpoints in a folder of their own."""
    parent = weights.absolute().parent
    return parent.parent if parent.name == "checkpoints" else parent


def load_strictly(network: nn.Module, state: StateDict, path: Path) -> None:
    """Load a state dict in which every name and shape must match; raises `OnarError` that says what does not."""
    found = {
        key: tuple(value.shape) if isinstance(value, Tensor) else f"a {type(value).__name__}"
        for key, value in state.items()
    }
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    refuse_misfit(path, type(network).__name__, found, expected)
    network.load_state_dict(state)


def infer_architecture(state: StateDict, path: Path) -> dict[str, Any]:
    """Tell a PConvUNet's arguments from the shapes of its weights; raises `OnarError` for any other network."""
    first = state.get("encoder.0.conv.weight")
    if not isinstance(first, Tensor) or first.ndim < 2:
        some = ", ".join(map(str, list(state)[:3])) or "nothing"
        raise OnarError(f"{path} is not a PConvUNet: it has no encoder.0.conv.weight, but {some}")
    colours = state.get("colours.first.weight")
    return {
        "generator": "PConvUNet",
        "base_channels": first.shape[0],
        "depth": sum(re.fullmatch(r"encoder\.\d+\.conv\.weight", str(key)) is not None for key in state),
        "base_fill": "pyramid" if "head.0.weight" in state else "none",
        "normalised": "colour_mean" in state,
        "colour_channels": colours.shape[0] if isinstance(colours, Tensor) and colours.ndim else 0,
        "channels": first.shape[1],
    }


def _settings_of_weights(generator: nn.Module) -> dict[str, Any]:
    """The architecture as far as weights depend on it: they fit any correction window."""
    architecture = cast(dict[str, Any], generator.architecture)
    return {name: value for name, value in architecture.items() if name != "correction_window"}


def _describe(generator: nn.Module) -> str:
    settings = _settings_of_weights(generator)
    name = settings.pop("generator")
    return f"{name} of " + ", ".join(f"{key} {value}" for key, value in settings.items())
