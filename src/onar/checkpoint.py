"""Networks from weights files, loaded strictly, and weights files of networks."""

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
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from onar.errors import OnarError
from onar.imaging.formats.endings import ending_of
from onar.models import GENERATORS
from onar.models.texture_blend import TextureBlend
from onar.settings.checks import read_toml
from onar.settings.training import DataConfig, settings_to_share
from onar.weights.files import Arrays, read_onnx, read_safetensors, refuse_misfit
from onar.weights.metadata import (
    BLEND,
    FORMAT,
    NEWER,
    RECORD,
    read_architecture,
    read_blend_channels,
    read_training_size,
    refuse_newer,
    usual_training_size,
)
from onar.weights.tensors import load_state, save_state

StateDict = dict[str, Tensor]

RECIPE, LOG = "config.toml", "log.jsonl"  # files in the folder of a run that say how its weights were trained
FEATURES = "features."  # prefix of the pretrained features in a state dict
WRAPPER = "module."  # prefix of the names in a wrapped network's state dict
MAX_LINE = 1 << 16  # bytes of the last line of a log, at most
READERS = {".safetensors": read_safetensors, ".onnx": read_onnx}  # readers of exported files by ending


def save_weights(path: Path, network: nn.Module) -> None:
    """Write a plain state dict that ``network.load_state_dict(torch.load(path))`` reads, whole or not at all."""
    save_state(path, _plain_state(network))


def save_safetensors(
    path: Path, generator: nn.Module, metadata: dict[str, str], dtype: torch.dtype = torch.float32
) -> None:
    """Write a network that has an `architecture` as safetensors, its floating-point numbers as `dtype`.

    `metadata` are those besides the architecture: `format`, `training_size`, keys of `RECORD`.
    """
    state = {
        key: value.to(dtype) if value.is_floating_point() else value for key, value in _plain_state(generator).items()
    }
    # not `save_file`, whose files only their owner may read.
    path.write_bytes(save(state, {"architecture": json.dumps(generator.architecture), **metadata}))


def _plain_state(network: nn.Module) -> StateDict:
    """The state dict on the CPU, contiguous."""
    return {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}


@dataclass(frozen=True)
class LoadedWeights:
    """A generator and how it was trained."""

    generator: nn.Module  # in evaluation mode on the CPU
    training_size: int  # side in pixels of the training crops; by default the usual one of its depth
    record: dict[str, str]  # how it was trained, by keys of `RECORD`; empty where it is unknown


def load_weights(path: Path) -> LoadedWeights:
    """Build the generator a weights file belongs to and load it.

    Args:
        path: ``.safetensors`` or ``.onnx`` with its architecture in the metadata, ``.pth`` with a plain state dict, or
            a checkpoint of a run. The architecture of the last two is inferred from their shapes, and what they lack is
            read from the run's folder.

    Raises:
        OnarError: the file is missing, damaged or unsafe, or holds another kind of network, or one of a newer version.

    >>> from onar.weights.bundled import bundled_weights
    >>> load_weights(bundled_weights()).training_size
    256
    """
    ending = ending_of(path.name)
    if ending in READERS:
        return _load_exported(*READERS[ending](path), path)
    content = load_state(path)
    state = _weights_of_run(content, path) if "gan" in content else _unwrapped(content)
    run = _run_folder(path)
    recipe: dict[str, Any] = {}
    with suppress(OnarError):
        recipe = read_toml(run / RECIPE)
    generator = _build(_architecture_in(recipe) or infer_architecture(state, path), state, path)
    depth = getattr(generator, "depth", None)
    record = _record_of_run(recipe, run / LOG)
    return LoadedWeights(generator, _size_in(recipe, depth) or usual_training_size(depth), record)


def load_generator(path: Path) -> nn.Module:
    """The generator of `load_weights` alone."""
    return load_weights(path).generator


def load_safetensors(path: Path) -> nn.Module:
    """As `load_generator`, for a safetensors file of any name."""
    return _load_exported(*read_safetensors(path), path).generator


def holds_blend(path: Path) -> bool:
    """Whether a file is a safetensors file of a `TextureBlend`."""
    with suppress(OSError, SafetensorError, LookupError, TypeError, ValueError), safe_open(path, "np") as file:
        return bool(json.loads(file.metadata()["architecture"]).get("network") == BLEND)
    return False


def load_blend(path: Path) -> TextureBlend:
    """Load a `TextureBlend` from a ``.safetensors`` or ``.onnx`` file; raises `OnarError` as `load_weights`."""
    weights, metadata = READERS.get(ending_of(path.name), read_safetensors)(path)
    blend = TextureBlend(read_blend_channels(metadata, path))
    load_strictly(blend, _as_tensors(weights), path)
    return blend.eval()


def _load_exported(weights: Arrays, metadata: dict[str, str], path: Path) -> LoadedWeights:
    architecture = read_architecture(metadata, path, {name: one.arguments for name, one in GENERATORS.items()})
    size = read_training_size(metadata, path, usual_training_size(architecture.get("depth")))
    record = {key: metadata[key] for key in RECORD if key in metadata}
    return LoadedWeights(_build(architecture, _as_tensors(weights), path), size, record)


def _as_tensors(weights: Arrays) -> StateDict:
    return {key: torch.from_numpy(value) for key, value in weights.items()}


def _build(architecture: dict[str, Any], state: StateDict, path: Path) -> nn.Module:
    arguments = {key: value for key, value in architecture.items() if key != "generator"}
    try:
        generator = GENERATORS[architecture["generator"]](**arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        raise OnarError(f"{path} holds no network that can be built ({error}){NEWER}") from error
    load_strictly(generator, state, path)
    return generator.eval()


def copy_into(generator: nn.Module, loaded: nn.Module, path: Path) -> None:
    """Copy the weights of a generator that a file holds; raises `OnarError` when they do not fit.

    Pretrained features that only `generator` has stay as they are: their joins are zero at first.
    """
    state, settings = loaded.state_dict(), _settings_of_weights(generator)
    if not _has_features(state):
        state |= {key: value for key, value in generator.state_dict().items() if key.startswith(FEATURES)}
        settings.pop("pretrained_features", None)
    if _settings_of_weights(loaded) != settings:
        raise OnarError(
            f"{path} holds a {_describe(loaded)}; this run has a {_describe(generator)}: give it the settings of "
            "the file, or other weights"
        )
    generator.load_state_dict(state)


def kept_weights(checkpoint: dict[str, Any]) -> StateDict:
    """The generator in the checkpoint of a run that is its result: the moving average where there is one."""
    gan = checkpoint["gan"]
    average = {key.removeprefix(WRAPPER): value for key, value in gan.get("average", {}).items()}
    average.pop("n_averaged", None)
    return average or dict(gan["generator"])


def _unwrapped(state: StateDict) -> StateDict:
    """A state dict without the prefix that `torch.nn.DataParallel` puts before every name."""
    if all(str(key).startswith(WRAPPER) for key in state):
        return {key.removeprefix(WRAPPER): value for key, value in state.items()}
    return state


def _weights_of_run(checkpoint: dict[str, Any], path: Path) -> StateDict:
    refuse_newer(checkpoint.get("format", FORMAT), path)
    try:
        return kept_weights(checkpoint)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OnarError(f"{path} is no checkpoint that this version knows{NEWER}") from error


def _architecture_in(recipe: dict[str, Any]) -> dict[str, Any] | None:
    """Another generator than `PConvUNet` in a run's configuration; the architecture of that one is in its weights."""
    if (name := recipe.get("generator", "PConvUNet")) not in GENERATORS or name == "PConvUNet":
        return None
    return {"generator": name, **{key: recipe[key] for key in GENERATORS[name].arguments if key in recipe}}


def _size_in(recipe: dict[str, Any], depth: int | None) -> int | None:
    """Larger side of the crops in a run's configuration; None where there is none, or another program's."""
    with suppress(OnarError, KeyError):
        if recipe.get("depth", depth) == depth:
            return max(DataConfig(img_size=recipe["img_size"]).height_width)
    return None


def _record_of_run(recipe: dict[str, Any], path: Path) -> dict[str, str]:
    """The record of a run from its configuration and its log, without names of files and folders."""
    shared = settings_to_share(recipe)
    record = {"recipe": tomli_w.dumps(shared).strip()} if shared else {}
    with suppress(OSError, ValueError, TypeError), path.open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - MAX_LINE))
        last = log.read().strip().rpartition(b"\n")[2].decode()
        if "kind" in json.loads(last):
            record["log"] = last
    return record


def _run_folder(weights: Path) -> Path:
    """The folder of the run that left weights, or checkpoints in a folder of their own."""
    parent = weights.absolute().parent
    return parent.parent if parent.name == "checkpoints" else parent


def load_strictly(network: nn.Module, state: StateDict, path: Path) -> None:
    """Load a state dict in which every name and shape must match; raises `OnarError` that says what does not.

    Only batch norm's counters of batches may be missing, which no result depends on.
    """
    own = network.state_dict()
    expected = {
        key: tuple(value.shape)
        for key, value in own.items()
        if key in state or not key.endswith(".num_batches_tracked")
    }
    refuse_misfit(path, type(network).__name__, {key: _shape(state[key], own.get(key)) for key in state}, expected)
    network.load_state_dict(state)


def _shape(found: Any, expected: Tensor | None) -> object:
    """The shape of a tensor, or its kind where that does not fit."""
    if not isinstance(found, Tensor):
        return f"a {type(found).__name__}"
    if expected is not None and expected.is_floating_point() and not found.is_floating_point():
        return str(found.dtype).removeprefix("torch.")
    return tuple(found.shape)


def infer_architecture(state: StateDict, path: Path) -> dict[str, Any]:
    """Infer a PConvUNet's arguments from the shapes of its weights; raises `OnarError` for any other network."""
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
        "pretrained_features": _has_features(state),
    }


def _has_features(state: StateDict) -> bool:
    return any(str(key).startswith(FEATURES) for key in state)


def _settings_of_weights(generator: nn.Module) -> dict[str, Any]:
    """The part of the architecture that weights depend on: they fit any correction window."""
    architecture = cast(dict[str, Any], generator.architecture)
    return {name: value for name, value in architecture.items() if name != "correction_window"}


def _describe(generator: nn.Module) -> str:
    settings = _settings_of_weights(generator)
    name = settings.pop("generator")
    return f"{name} of " + ", ".join(f"{key} {value}" for key, value in settings.items())
