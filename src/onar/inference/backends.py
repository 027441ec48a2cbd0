"""What runs a generator on photos: PyTorch, ONNX Runtime, or OpenCV for the pyramid fill.

All take and give the same arrays, so `Inpainter` does not know them apart. torch and ONNX Runtime are imported by the
one that needs them: completing on a CPU starts without torch, and needs none.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import deepcopy
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onar.errors import OnarError, UsageError, is_out_of_memory
from onar.fills.pyramid import Frame, fill_frame
from onar.imaging.formats.endings import ending_of
from onar.inference.blend_graph import build_blend
from onar.inference.generator_graphs import GRAPHS, build_model
from onar.system.devices import available_cores, available_cpus, check_device
from onar.system.state import cpu_threads, evaluating
from onar.weights.files import (
    FORMAT,
    NEWER,
    Arrays,
    channels_of,
    read_blend_file,
    read_generator_file,
    read_training_size,
    refuse_newer,
    said_architecture,
    step_of,
)
from onar.weights.numbers import BLEND_MULTIPLE

if TYPE_CHECKING:
    from torch import Tensor, nn

ONNX_PROVIDERS = {"cuda": "CUDAExecutionProvider", "mps": "CoreMLExecutionProvider", "cpu": "CPUExecutionProvider"}
"""What ONNX Runtime calls the devices."""


class Backend(ABC):
    """What completes photos.

    Attributes:
        device: where, "cpu", "cuda", "cuda:1" or "mps".
    """

    device: str
    channels: int = 3
    """Of the photos that it completes; a network for grey photos completes others channel by channel."""

    @property
    def step(self) -> int:
        """Pixels; sides that are no multiple of it are padded inside, and cost what the next multiple would."""
        return 1

    @abstractmethod
    def __call__(self, photo: Frame, known: Frame, /) -> Frame:
        """Complete photos of one size.

        Args:
            photo: N×H×W×C in [0, 1], 0 in its holes.
            known: N×H×W, 1 = known, 0 = hole.

        Returns:
            The full frames as the generator sees them, N×H×W×C.
        """


def _by_channel(complete: Callable[[Frame, Frame], Frame], photo: Frame, known: Frame) -> Frame:
    """Complete photos with a network for grey ones: those that are grey at once, others channel by channel.

    Args:
        complete: as `Backend`, for photos of one channel.
        photo: N×H×W×C in [0, 1], 0 in its holes.
        known: N×H×W.
    """
    count, height, width, channels = photo.shape
    if (photo == photo[..., :1]).all():
        return np.repeat(complete(photo[..., :1], known), channels, axis=3)
    planes = photo.transpose(0, 3, 1, 2).reshape(count * channels, height, width, 1)
    completed = complete(np.ascontiguousarray(planes), np.repeat(known, channels, axis=0))
    return completed.reshape(count, channels, height, width).transpose(0, 2, 3, 1)


class PyramidBackend(Backend):
    """The pyramid fill, which has no weights and always runs on the CPU."""

    device = "cpu"

    def __call__(self, photo: Frame, known: Frame, /) -> Frame:
        """See `Backend`."""
        return np.stack([fill_frame(*one) for one in zip(photo, known, strict=True)])


class TorchBackend(Backend):
    """A PyTorch network.

    A caller's own stays as it is: it is evaluated at each call with the weights it has then, and keeps its mode. For
    another device than the one it is on, it is copied.

    Args:
        generator: (photo * known, known) -> completed, both B×3×H×W in [0, 1], any size.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        threads: of the CPU; 0 for as many as torch takes.
        is_own: nobody else has it, so it may be moved, and its weights be laid out for speed.

    Raises:
        UsageError: the device is not there, or cannot be used.
    """

    def __init__(self, generator: nn.Module, device: str = "auto", threads: int = 0, *, is_own: bool = False) -> None:
        import torch

        from onar.system.devices import choose_device

        self.device = str(choose_device(device))
        self._threads = threads
        if is_own:
            generator = _moved(generator, self.device).to(memory_format=torch.channels_last)
        elif any(not _is_on(tensor, self.device) for tensor in chain(generator.parameters(), generator.buffers())):
            generator = _moved(deepcopy(generator), self.device)
        self._generator = generator
        self.channels = channels_of(self._architecture)

    @property
    def _architecture(self) -> dict[str, Any]:
        return getattr(self._generator, "architecture", {})

    @property
    def step(self) -> int:
        """See `Backend`."""
        return step_of(self._architecture)

    def __call__(self, photo: Frame, known: Frame, /) -> Frame:
        """See `Backend`."""
        return _by_channel(self._complete, photo, known) if self.channels == 1 else self._complete(photo, known)

    def _complete(self, photo: Frame, known: Frame) -> Frame:
        import torch

        with torch.no_grad(), evaluating(self._generator), cpu_threads(self._threads):
            # Arrays N×H×W×C are already in the order of memory that channels_last means.
            pixels = torch.from_numpy(photo).to(self.device).permute(0, 3, 1, 2)
            completed = self._generator(pixels, torch.from_numpy(known).to(self.device)[:, None])
            result: Frame = completed.permute(0, 2, 3, 1).float().cpu().numpy()
        return result


def _is_on(tensor: Tensor, device: str) -> bool:
    """Whether a tensor is on a device; "cuda" is any GPU."""
    return device in (str(tensor.device), tensor.device.type)


def _moved(generator: nn.Module, device: str) -> nn.Module:
    """The network, moved to a device; raises `UsageError` where the device is there but cannot be used."""
    try:
        return generator.to(device)
    except (RuntimeError, AssertionError) as error:  # such as of a driver that is too old
        if device == "cpu" or is_out_of_memory(error):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise UsageError(f"--device {device} cannot be used here ({reason}); use --device cpu") from error


class OnnxBackend(Backend):
    """A generator run by ONNX Runtime.

    Args:
        path: an `.onnx` file that `onar export` wrote, or a `.safetensors` file, whose graph is built here.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps"; others than the CPU need a build of ONNX
            Runtime that has them.
        threads: of the CPU; 0 for one on each core that may be used.

    Raises:
        OnarError: the file cannot be read or is none of ours.
        UsageError: the device is not there, or cannot be used.

    Attributes:
        training_size: side in pixels of the crops the generator was trained on.
    """

    def __init__(self, path: Path, device: str = "auto", threads: int = 0) -> None:
        import onnxruntime

        if not path.is_file():
            raise OnarError(f"cannot read {path}: there is no such file")
        self.device = _choose_onnx_device(device, onnxruntime.get_available_providers())
        model = _build_graph(path) if ending_of(path.name) == ".safetensors" else path
        try:
            self._session = _start_session(model, self.device, threads)
            metadata = self._session.get_modelmeta().custom_metadata_map
            architecture = said_architecture(metadata)
            self.channels = channels_of(architecture)
            self.device = _device_used(self._session, self.device, is_wanted=device != "auto")
            if model is not path:  # shapes that do not fit each other show up here, or only when it runs
                self.run(np.zeros((1, self.channels, 1, 1), np.float32), np.ones((1, 1, 1, 1), np.float32))
        except Exception as error:  # its errors have no class in common
            if isinstance(error, UsageError) or is_out_of_memory(error):
                raise
            reason = "is damaged or not an ONNX file" if model is path else "holds weights that do not fit each other"
            raise OnarError(f"{path} {reason}") from error
        if "training_size" not in metadata:
            raise OnarError(f"{path} was not written by onar export: its metadata do not say training_size")
        refuse_newer(metadata.get("format", FORMAT), path)
        self.training_size = read_training_size(metadata, {}, path)
        self._step = step_of(architecture)

    @property
    def step(self) -> int:
        """See `Backend`."""
        return self._step

    def __call__(self, photo: Frame, known: Frame, /) -> Frame:
        """See `Backend`."""
        return _by_channel(self._complete, photo, known) if self.channels == 1 else self._complete(photo, known)

    def _complete(self, photo: Frame, known: Frame) -> Frame:
        completed = self.run(np.ascontiguousarray(photo.transpose(0, 3, 1, 2)), known[:, None])
        result: Frame = completed.transpose(0, 2, 3, 1)
        return result

    def run(self, photo: Frame, known: Frame) -> Frame:
        """Complete a batch: B×C×H×W in [0, 1] and B×1×H×W in, B×C×H×W out, as a generator does."""
        completed: Frame = self._session.run(None, {"photo": photo, "known": known})[0]
        return completed


class Blend:
    """A `TextureBlend`, run by ONNX Runtime on the CPU.

    Args:
        path: its `.safetensors` file.
        threads: of the CPU; 0 for one on each core.

    Raises:
        OnarError: the file cannot be read or holds something else.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        weights, _ = read_blend_file(path)
        self._session = _start_session(build_blend(weights), "cpu", threads)

    def __call__(self, led: Frame, copied: Frame, coarse: Frame, known: Frame, /) -> Frame:
        """Blend three fills of the same holes.

        Args:
            led: H×W×3 in [0, 1], what a generator filled.
            copied: H×W×3 in [0, 1], what was copied from the photo.
            coarse: H×W×3 in [0, 1], what was copied at half the scale.
            known: H×W, 1 = known, 0 = hole.

        Returns:
            H×W×3, about in [0, 1]; only what lies in the holes counts.
        """
        height, width = known.shape
        padding = ((0, -height % BLEND_MULTIPLE), (0, -width % BLEND_MULTIPLE))
        fills = {
            name: np.pad(fill, (*padding, (0, 0)), mode="edge").transpose(2, 0, 1)[None]
            for name, fill in (("led", led), ("copied", copied), ("coarse", coarse))
        }
        inputs = fills | {"known": np.pad(known, padding, mode="edge")[None, None]}
        (completed,) = self._session.run(None, inputs)[0]
        blended: Frame = completed.transpose(1, 2, 0)[:height, :width]
        return blended


def _start_session(model: bytes | Path, device: str, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # not of errors: they are raised
    options.intra_op_num_threads = _cpu_threads(threads)
    # Its arena would keep what the largest window took for as long as the process lives; without, it takes as long.
    options.enable_cpu_mem_arena = False
    # Spinning threads use up the time of those they wait for, where another program takes a core: a pass took 2.2
    # times as long as alone, without spinning 1.6 times (two cores; alone, spinning saves 2 %).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=[_provider(device)])


def _provider(device: str) -> str | tuple[str, dict[str, str]]:
    """What ONNX Runtime calls a device, with the number of a GPU."""
    kind, _, number = device.partition(":")
    return (ONNX_PROVIDERS[kind], {"device_id": number}) if number else ONNX_PROVIDERS[kind]


def _device_used(session: Any, device: str, is_wanted: bool) -> str:
    """Where a session computes: on the CPU where its device is there by name, but not what the device needs.

    Raises:
        UsageError: that is not the device that is wanted.
    """
    if ONNX_PROVIDERS[device.partition(":")[0]] in session.get_providers():
        return device
    if is_wanted:
        raise UsageError(
            f"--device {device} cannot be used by this ONNX Runtime: a driver is missing, or a library of the version "
            "that it was built for; use --device cpu"
        )
    return "cpu"


def _cpu_threads(threads: int) -> int:
    """CPU threads of a session; 0 for ONNX Runtime's own choice.

    That is one on each core of the machine, and each is tied to its core, which fails where this process, such as in a
    container, may not use them all.
    """
    cores = available_cores()
    return threads or (cores if available_cpus() < (os.cpu_count() or 1) else 0)


def _build_graph(path: Path) -> bytes:
    """The generator in a safetensors file as an ONNX file; raises `OnarError` when it is none that Onar knows."""
    file = read_generator_file(path, GRAPHS)
    name, weights = file.architecture["generator"], _UsedWeights(file.weights)
    try:
        model = build_model(file.architecture, weights, {"training_size": str(file.training_size)})
    except (LookupError, TypeError, ValueError) as error:
        raise OnarError(f"{path} does not fit {name}: {error}") from error
    for key in weights.unused:
        raise OnarError(f"{path} does not fit {name}: unknown {key}{NEWER}")
    return model


class _UsedWeights(dict[str, Any]):
    """A state dict that knows what nobody has asked for: leaving a weight out would compute another network."""

    def __init__(self, weights: Arrays) -> None:
        super().__init__(weights)
        self._used: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self._used.add(key)
        return super().__getitem__(key)

    @property
    def unused(self) -> list[str]:
        """Names of weights that were not asked for, but for counters that batch norm needs in training only."""
        return sorted(key for key in self.keys() - self._used if not key.endswith(".num_batches_tracked"))


def _choose_onnx_device(device: str, providers: list[str]) -> str:
    available = [name for name, provider in ONNX_PROVIDERS.items() if provider in providers]
    kind = check_device(device).partition(":")[0]
    if device == "auto":
        return "cuda" if "cuda" in available else "cpu"  # CoreML, never measured, only when asked for
    if kind not in available:
        raise UsageError(
            f"--device {device} is not available in this ONNX Runtime; use --device {available[0]}, or for PyTorch's "
            'GPUs pip install "onar[train]"'
        )
    return device
