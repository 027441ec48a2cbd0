"""The verb `export`: a network as a file or folder to pass on, kept only if it computes the same."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from onar.checkpoint import copy_into, holds_blend, load_generator, load_safetensors, load_weights, save_safetensors
from onar.data.photo_sets import ChosenPhotos, Photos, hold_out, open_photos
from onar.errors import FieldError, OnarError, UsageError
from onar.export.blends import export_blend
from onar.export.comparison import HALF_TOLERANCE, HOLES, SEED, Exported, Int8Cost, compare
from onar.export.config import ExportConfig
from onar.export.onnx_files import onnx_of, run_onnx
from onar.export.web import export_web, own_network, public_network
from onar.inference.inpainter import PYRAMID_SIZE
from onar.metrics.held_out import Completer, complete_with, load_held_out, score_completer
from onar.models import PConvUNet, PyramidFill
from onar.system.console import progress_bar
from onar.system.files import refuse_to_replace, replacing
from onar.weights.bundled import PYRAMID, bundled_photos, texture_weights, weights_file
from onar.weights.metadata import FORMAT, is_public_onnx

MAX_INT8_COST = 1.0  # decibels of PSNR that INT8 may cost
MAX_PHOTOS = 80  # photos that INT8 is calibrated and scored on, at most; a quarter of them are scored


def export(weights: str, output: Path, **options: Any) -> Exported:
    """Write a generator as another file or as a folder, after comparing the two on bundled photos.

    Args:
        weights: a `.pth`, `.safetensors` or `.onnx` file, "bundled" or "pyramid"; a file of `onar blend` becomes an
            `.onnx` file, too.
        output: the file, or the folder.
        **options: other fields of `ExportConfig`.

    Raises:
        UsageError: the format is not known, the options do not go together, or `output` is a file that is read.
        OnarError: a package is missing, the weights or photos cannot be read, or the file would not compute the same.
            Then nothing is written.
    """
    return export_generator(ExportConfig(weights=weights, output=output, **options))


def export_generator(config: ExportConfig) -> Exported:
    """Write a generator by its settings; the weights are averaged as in Wang et al. 2018 (ESRGAN), section 3.4."""
    weights, output, half, int8 = config.weights, config.output, config.half, config.int8
    chosen = _choose_format(config)
    for source in (Path(weights), *([config.average_with] if config.average_with else [])):
        refuse_to_replace(source, output)
    if chosen == "onnx" and holds_blend(Path(weights)):
        return export_blend(Path(weights), output, half=half)
    if weights != PYRAMID and (path := weights_file(weights)).is_file() and is_public_onnx(path):
        return _export_public(config, chosen)
    generator, size, record = _load(weights)
    if config.average_with is not None:
        _average(generator, config.average_with, config.average_share)
        record |= {"blend": f"{config.average_share:g} of {config.average_with.name}"}
    if config.correction_window is not None:
        generator = _with_correction_window(generator, config.correction_window)
    channels = getattr(generator, "channels", 3)
    _check_channels(channels, weights, chosen, int8)
    if chosen == WEB:
        network = own_network(generator, size, None if weights == PYRAMID else weights_file(weights), weights)
        return export_web(network, output, config.blend or texture_weights())
    exporter = HALF_ONNX if half else EXPORTERS[f".{chosen}"]
    if int8 and not list(generator.parameters()):
        raise FieldError("int8", "is for networks: the pyramid fill has no weights")
    photos = _open_calibration_photos(config.calibration or bundled_photos()) if int8 else None
    with replacing(output) as temporary:
        exported = exporter.write(generator, {"format": str(FORMAT), "training_size": str(size), **record}, temporary)
        difference = compare(exported, generator, exporter.tolerance)
        cost = None if photos is None else _quantise(temporary, exported, photos, size, channels)
    return Exported(output, difference, cost=cost)


def _export_public(config: ExportConfig, chosen: str) -> Exported:
    """Write the page of a network of another program; raises `UsageError` for what is done to Onar's own alone."""
    if chosen != WEB:
        raise FieldError("format", f"must be {WEB} for {config.weights}: another program wrote this network")
    for name in ("average_with", "correction_window", "blend"):
        if getattr(config, name) is not None:
            raise FieldError(name, f"is for Onar's own networks: another program wrote {config.weights}")
    path = weights_file(config.weights)
    return export_web(public_network(path, config.weights, config.network), config.output, texture_weights())


def _choose_format(config: ExportConfig) -> str:
    """The format; raises `FieldError` when `output` lacks its ending, or options exclude each other."""
    output, ending = config.output, config.output.suffix.lower()
    if config.format is None and ending not in EXPORTERS:
        rule = f"must end in {' or '.join(EXPORTERS)}, or be a folder with `format` {WEB}: {output}"
        raise FieldError("output", rule)
    chosen = config.format or ending.removeprefix(".")
    if chosen not in (WEB, ending.removeprefix(".")):
        raise FieldError("output", f"must end in .{chosen} with `format` {chosen}, not {output.name}")
    if config.half and (config.int8 or chosen != "onnx"):
        raise FieldError("half", "is for .onnx files without `int8`; .safetensors are always in half precision")
    if config.int8 and chosen != "onnx":
        raise FieldError("int8", "is for .onnx files")
    if config.calibration is not None and not config.int8:
        raise FieldError("calibration", "is for `int8`")
    if config.blend is not None and chosen != WEB:
        raise FieldError("blend", f"is for `format` {WEB}; weights are averaged with `average_with`")
    return chosen


def _check_channels(channels: int, weights: str, chosen: str, int8: bool) -> None:
    """Raise `UsageError` when a network for photos of that many channels cannot have the format."""
    if chosen == WEB and channels != 3:
        raise FieldError("format", f"{WEB} is for networks for photos in colour; {weights} has {channels} channels")
    if int8 and channels not in (1, 3):
        raise FieldError("int8", f"is calibrated on photos, and {weights} is a network for {channels} channels")


def export_onnx(generator: nn.Module, metadata: dict[str, str], path: Path, *, half: bool = False) -> Completer:
    """Write a generator as an ONNX file, and return its function; raises as `onnx_of`."""
    path.write_bytes(onnx_of(generator, metadata, half=half))
    return run_onnx(path)


def export_safetensors(generator: nn.Module, metadata: dict[str, str], path: Path) -> Completer:
    """Write a generator as safetensors in half precision, and return the file's function."""
    save_safetensors(path, generator, metadata, torch.float16)
    return complete_with(load_safetensors(path))


class Exporter(NamedTuple):
    """A format."""

    write: Callable[[nn.Module, dict[str, str], Path], Completer]
    """Writes a generator and metadata, with `training_size`, to a path, and returns the file's function."""
    tolerance: float  # largest difference from the original, in [0, 1]


EXPORTERS = {
    ".onnx": Exporter(export_onnx, tolerance=0.25 / 255),  # only the order of sums differs
    ".safetensors": Exporter(export_safetensors, tolerance=HALF_TOLERANCE),
}
"""By ending."""

HALF_ONNX = Exporter(partial(export_onnx, half=True), tolerance=HALF_TOLERANCE)

WEB = "web"


def _load(weights: str) -> tuple[nn.Module, int, dict[str, str]]:
    """The generator, its training size, and the record of its training."""
    if weights == PYRAMID:
        return PyramidFill(), PYRAMID_SIZE, {}
    path = weights_file(weights)
    loaded = load_weights(path)
    return loaded.generator, loaded.training_size, loaded.record


def _average(generator: nn.Module, path: Path, share: float) -> None:
    """Move a generator's weights towards those in a file; raises `OnarError` when they do not fit."""
    other = copy.deepcopy(generator)
    copy_into(other, load_generator(path), path)
    for value, target in zip(generator.state_dict().values(), other.state_dict().values(), strict=True):
        if value.is_floating_point():
            value.lerp_(target, share)


def _with_correction_window(generator: nn.Module, pixels: int) -> nn.Module:
    """The same network with another `correction_window`; raises `UsageError` where it cannot have that."""
    if not isinstance(generator, PConvUNet):
        raise FieldError("correction_window", "is for networks that correct the pyramid fill")
    try:
        windowed = generator.rebuilt(correction_window=pixels)
    except ValueError as error:
        raise UsageError(str(error)) from error
    windowed.load_state_dict(generator.state_dict())
    return windowed.eval()


def _open_calibration_photos(folder: Path) -> Photos:
    """At most `MAX_PHOTOS` random photos of a folder; raises `OnarError` when there are not two."""
    photos = open_photos(folder)
    if len(photos) < 2:
        raise OnarError(f"INT8 needs 2 photos at least, to calibrate on and to score: {folder} has {len(photos)}")
    return ChosenPhotos(photos, np.random.default_rng(SEED).permutation(len(photos))[:MAX_PHOTOS])


def _quantise(path: Path, float32: Completer, photos: Photos, size: int, channels: int) -> Int8Cost:
    """Quantise an ONNX file to INT8; raises `OnarError` when that costs too much."""
    from onar.export.int8 import quantise

    parts = hold_out(photos, 0.25, SEED)
    calibrated, scored = (load_held_out(part, size, size, HOLES, SEED, channels) for part in parts)
    batches = progress_bar(
        calibrated.batches(1), desc="Calibrating", total=len(calibrated.photo), unit="photo", delay=1
    )
    quantise(path, ({"photo": photo.numpy(), "known": known.numpy()} for photo, known in batches))
    before, after = (score_completer(complete, scored, 1)["psnr"] for complete in (float32, run_onnx(path)))
    cost = Int8Cost(before, after, len(calibrated.photo), len(scored.photo))
    if not before - after <= MAX_INT8_COST:
        raise OnarError(f"nothing is written: {cost}; calibrate on other photos, or leave `int8` out")
    return cost
