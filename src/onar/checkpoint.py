"""Weights files: which network they belong to, and loading them strictly."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save
from torch import Tensor, nn

from onar.config import TrainConfig
from onar.errors import OnarError
from onar.models import GENERATORS
from onar.tensor_files import load_state, save_state
from onar.weights_files import read_generator_file, read_metadata, require_known_generator, usual_training_size

StateDict = dict[str, Tensor]

RECORD = {"recipe": "config.toml", "log": "log.jsonl"}
"""What tells how weights were trained: key in the metadata of a `.safetensors` file, file in the folder of a run."""


def save_weights(path: Path, network: nn.Module) -> None:
    """Write a plain state dict that ``network.load_state_dict(torch.load(path))`` reads, whole or not at all."""
    save_state(path, _plain_state(network))


def save_half_precision(path: Path, generator: nn.Module, metadata: dict[str, str]) -> None:
    """Write a generator as safetensors in float16, half as large.

    Args:
        path: the file.
        generator: one of `GENERATORS`.
        metadata: what else the file should say, beside the architecture; `training_size` is read again.
    """
    state = {
        key: value.half() if value.is_floating_point() else value for key, value in _plain_state(generator).items()
    }
    # Not `save_file`, whose files only their owner may read.
    path.write_bytes(save(state, {"architecture": json.dumps(generator.architecture), **metadata}))


def _plain_state(network: nn.Module) -> StateDict:
    """The state dict as it is written: on the CPU, in the usual order of memory."""
    return {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}


def load_generator(path: Path) -> nn.Module:
    """Build the generator a weights file belongs to and load it, in evaluation mode on the CPU.

    Args:
        path: ``.safetensors`` with its architecture in the metadata, ``.pth`` with a plain state dict whose shapes
            tell the architecture, or a checkpoint of a run.

    Raises:
        OnarError: the file is missing, damaged or unsafe, or holds another kind of network.
    """
    if path.suffix == ".safetensors":
        return load_safetensors(path)
    state = load_state(path)
    state = kept_weights(state) if "gan" in state else state
    return _build(infer_architecture(state, path), state, path)


def load_safetensors(path: Path) -> nn.Module:
    """What `load_generator` does, for a safetensors file of any name."""
    file = read_generator_file(path)
    state = {key: torch.from_numpy(value) for key, value in file.weights.items()}
    return _build(dict(file.architecture), state, path)


def _build(architecture: dict[str, Any], state: StateDict, path: Path) -> nn.Module:
    name = str(architecture.pop("generator"))
    require_known_generator(name, GENERATORS, path)
    generator = GENERATORS[name](**architecture)
    load_strictly(generator, state, path)
    return generator.eval()


def load_into(generator: nn.Module, path: Path) -> None:
    """Load weights into a generator; raises `OnarError` when they do not fit it or cannot be read."""
    loaded = load_generator(path)
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


def training_size(path: Path, generator: nn.Module) -> int:
    """Side in pixels of the crops a generator was trained on.

    From the file's metadata, or from the run's `config.toml`; else from its depth.
    """
    if path.suffix == ".safetensors" and "training_size" in (metadata := read_metadata(path)):
        return int(metadata["training_size"])
    recipe = _run_folder(path) / RECORD["recipe"]
    if recipe.is_file():
        return max(TrainConfig.from_toml(recipe).height_width)
    return usual_training_size(getattr(generator, "depth", None))


def training_record(path: Path) -> dict[str, str]:
    """How the weights in a file were trained: the `recipe`, as TOML, and the last line of the `log`, as JSON.

    Of an exported blend also with what it is a `blend`. From the run's folder, or from the metadata of a `.safetensors`
    file; empty where neither says it.
    """
    if path.suffix == ".safetensors":
        return {key: value for key, value in read_metadata(path).items() if key in (*RECORD, "blend")}
    found = {key: _run_folder(path) / name for key, name in RECORD.items()}
    texts = {key: file.read_text(encoding="utf-8").strip() for key, file in found.items() if file.is_file()}
    return {key: text if key == "recipe" else text.rpartition("\n")[2] for key, text in texts.items()}


def _run_folder(weights: Path) -> Path:
    """The folder of the run that left weights, or checkpoints in a folder of their own."""
    parent = weights.absolute().parent
    return parent.parent if parent.name == "checkpoints" else parent


def load_strictly(network: nn.Module, state: StateDict, path: Path) -> None:
    """Load a state dict in which every name and shape must match; raises `OnarError` that says what does not."""
    expected = network.state_dict()
    for key in sorted(expected.keys() ^ state.keys()):
        raise OnarError(f"{path} does not fit {type(network).__name__}: {'no' if key in expected else 'unknown'} {key}")
    for key, value in state.items():
        if value.shape != expected[key].shape:
            raise OnarError(
                f"{path} does not fit {type(network).__name__}: {key} is {tuple(value.shape)}, "
                f"not {tuple(expected[key].shape)}"
            )
    network.load_state_dict(state)


def infer_architecture(state: StateDict, path: Path) -> dict[str, Any]:
    """Tell a PConvUNet's arguments from the shapes of its weights; raises `OnarError` for any other network."""
    first = state.get("encoder.0.conv.weight")
    if first is None:
        some = ", ".join(list(state)[:3]) or "nothing"
        raise OnarError(f"{path} is not a PConvUNet: it has no encoder.0.conv.weight, but {some}")
    return {
        "generator": "PConvUNet",
        "base_channels": first.shape[0],
        "depth": sum(re.fullmatch(r"encoder\.\d+\.conv\.weight", key) is not None for key in state),
        "base_fill": "pyramid" if "head.0.weight" in state else "none",
    }


def _settings_of_weights(generator: nn.Module) -> dict[str, Any]:
    """The architecture as far as weights depend on it: they fit any correction window."""
    architecture = cast(dict[str, Any], generator.architecture)
    return {name: value for name, value in architecture.items() if name != "correction_window"}


def _describe(generator: nn.Module) -> str:
    settings = _settings_of_weights(generator)
    name = settings.pop("generator")
    return f"{name} of " + ", ".join(f"{key} {value}" for key, value in settings.items())
