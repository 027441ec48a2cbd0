"""Backends that run a generator on photos: ONNX Runtime, PyTorch, or OpenCV for the pyramid fill.

All have the same interface, on arrays. torch and ONNX Runtime are imported by the one that needs them: ONNX files are
run without torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from onar.errors import FieldError, OnarError, extra_for_training, is_out_of_memory
from onar.fills.pyramid import Frame, fill_frame
from onar.imaging.formats.endings import ending_of
from onar.inference.sessions import OnnxSession
from onar.system.state import cpu_threads, evaluating
from onar.weights.metadata import FORMAT, read_blend_channels, read_step, read_training_size, refuse_newer

if TYPE_CHECKING:
    from torch import Tensor, nn

BLEND_MULTIPLE = 16
"""Height and width of what a `TextureBlend` takes are multiples of it."""


class Backend(ABC):
    """Completes photos.

    Attributes:
        device: "cpu", "cuda", "cuda:1" or "mps".
        channels: of its photos; a network for grey photos completes others channel by channel.
        step: pixels; sides that are no multiple of it are padded inside, and cost as much as the next multiple.
        max_side: of its photos in pixels; None for no limit.
        draws: its fills have texture: at the photo's own scale, nothing is copied over them.
    """

    device: str
    channels: int = 3
    step: int = 1
    max_side: int | None = None
    draws: bool = False

    @abstractmethod
    def __call__(self, photo: Frame, known: Frame, /) -> Frame:
        """Complete photos of one size.

        Args:
            photo: N×H×W×C in [0, 1], 0 in its holes.
            known: N×H×W, 1 = known, 0 = hole.

        Returns:
            The generator's full frames, N×H×W×C.
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

    A caller's network is not changed: each call evaluates it with its current weights, and its mode is kept. For
    another device it is copied.

    Args:
        generator: (photo * known, known) -> completed, both B×3×H×W in [0, 1], any size.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        threads: of the CPU; 0 for torch's own number.
        is_own: it has no other user, so it may be moved, and its weights be laid out for speed.

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
        self.channels, self.step = getattr(generator, "channels", 3), getattr(generator, "step", 1)

    def __call__(self, photo: Frame, known: Frame, /) -> Frame:
        """See `Backend`."""
        return _by_channel(self._complete, photo, known) if self.channels == 1 else self._complete(photo, known)

    def _complete(self, photo: Frame, known: Frame) -> Frame:
        import torch

        with torch.no_grad(), evaluating(self._generator), cpu_threads(self._threads):
            # Arrays N×H×W×C are already channels_last in memory.
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
        raise FieldError("device", f"{device} cannot be used here ({reason}); use `device` cpu") from error


class OnnxBackend(Backend):
    """A generator run by ONNX Runtime.

    Args:
        path: an `.onnx` file that `onar export` wrote; its metadata have `training_size`, `format` and `step`.
        device: as for `OnnxSession`.
        threads: as for `OnnxSession`.
        session: of the file, if there is one.

    Raises:
        OnarError: the file cannot be read or is none of ours.
        UsageError: the device is not there, or cannot be used.

    Attributes:
        training_size: side in pixels of the crops the generator was trained on.
    """

    def __init__(self, path: Path, device: str = "auto", threads: int = 0, session: OnnxSession | None = None) -> None:
        session = session or OnnxSession(path, device, threads)
        if not session.is_own:
            raise OnarError(f"{path} was not written by onar export: its metadata do not say training_size")
        refuse_newer(session.metadata.get("format", FORMAT), path)
        self.device, self._session = session.device, session
        self.training_size = read_training_size(session.metadata, path, 0)
        self.step = read_step(session.metadata, path)
        self.channels = session.running.get_inputs()[0].shape[1]

    def __call__(self, photo: Frame, known: Frame, /) -> Frame:
        """See `Backend`."""
        return _by_channel(self._complete, photo, known) if self.channels == 1 else self._complete(photo, known)

    def _complete(self, photo: Frame, known: Frame) -> Frame:
        completed = self.run(np.ascontiguousarray(photo.transpose(0, 3, 1, 2)), known[:, None])
        result: Frame = completed.transpose(0, 2, 3, 1)
        return result

    def run(self, photo: Frame, known: Frame) -> Frame:
        """Complete a batch: B×C×H×W in [0, 1] and B×1×H×W in, B×C×H×W out, as a generator does."""
        return self._session.run({"photo": photo, "known": known})


class Blend:
    """A `TextureBlend`, run by ONNX Runtime on the CPU, or by PyTorch on a GPU or when it is a `.safetensors` file.

    Args:
        path: its `.onnx` or `.safetensors` file.
        threads: of the CPU; 0 for one on each core.
        device: of PyTorch; "cpu" for ONNX Runtime, too.

    Raises:
        OnarError: the file cannot be read or holds another network, or PyTorch is missing.
    """

    def __init__(self, path: Path, threads: int = 0, device: str = "cpu") -> None:
        if ending_of(path.name) == ".onnx" and device == "cpu":
            session = OnnxSession(path, "cpu", threads)
            read_blend_channels(session.metadata, path)
            self._run: Callable[[dict[str, Frame]], Frame] = session.run
        else:
            self._run = _run_torch_blend(path, threads, device)

    def __call__(self, network: Frame, patches: Frame, coarse_patches: Frame, known: Frame, /) -> Frame:
        """Blend three fills of the same holes.

        Args:
            network: H×W×3 in [0, 1], the generator's fill.
            patches: H×W×3 in [0, 1], patches of the photo.
            coarse_patches: H×W×3 in [0, 1], patches of the photo at half the scale.
            known: H×W, 1 = known, 0 = hole.

        Returns:
            H×W×3, about in [0, 1]; only the pixels in holes are of use.
        """
        height, width = known.shape
        padding = ((0, -height % BLEND_MULTIPLE), (0, -width % BLEND_MULTIPLE))
        fills = {
            name: np.pad(fill, (*padding, (0, 0)), mode="edge").transpose(2, 0, 1)[None]
            for name, fill in (("network", network), ("patches", patches), ("coarse_patches", coarse_patches))
        }
        inputs = fills | {"known": np.pad(known, padding, mode="edge")[None, None]}
        (completed,) = self._run(inputs)
        blended: Frame = completed.transpose(1, 2, 0)[:height, :width]
        return blended


def _run_torch_blend(path: Path, threads: int, device: str) -> Callable[[dict[str, Frame]], Frame]:
    with naming_export(path):
        import torch

        from onar.checkpoint import load_blend

        network = _moved(load_blend(path), device)

    def run(inputs: dict[str, Frame]) -> Frame:
        with torch.no_grad(), cpu_threads(threads):
            arrays = {name: np.ascontiguousarray(value) for name, value in inputs.items()}
            tensors = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
            blended: Frame = network(**tensors).cpu().numpy()
        return blended

    return run


@contextmanager
def naming_export(path: Path) -> Iterator[None]:
    """Import what reads a file that is not ONNX; raises `OnarError` that names the export where torch is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if not path.exists():  # said first: PyTorch takes gigabytes
            raise OnarError(f"cannot read {path}: No such file or directory") from error
        raise OnarError(
            f"{path} needs {extra_for_training(error)}; without it only .onnx files can be used, which "
            f"onar export --weights {path.name} --output {path.stem}.onnx writes where it is installed"
        ) from error
