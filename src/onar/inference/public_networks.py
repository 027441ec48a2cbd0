"""Inpainting networks of other programs, such as LaMa and MI-GAN: how their files take photos and return fills.

`NETWORKS` has one entry per kind. Which one a file is of follows from the types and channels of its inputs, and is then
tested: a small photo with a hole must come back with its known pixels, and with a fill in range.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from warnings import catch_warnings
from zipfile import BadZipFile, ZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.errors import FieldError, OnarError, extra_for_training, is_out_of_memory
from onar.fills.pyramid import Frame, fill_frame
from onar.inference.backends import Backend, OnnxBackend
from onar.inference.sessions import OnnxSession
from onar.system.devices import choose_device
from onar.system.state import cpu_threads

Tensors = NDArray[Any]
RunNetwork = Callable[[list[Tensors]], Tensors]
"""A network on its inputs, in the order photo, mask, or on one input of both; all are 1×C×H×W."""

TRAINING_SIZE = 512
"""Side in pixels of the photos that networks of any size are used with."""

PROBE_SIZE = 128
"""Side in pixels of the photo that a network of any size is tested on."""

MAX_KNOWN_ERROR = 0.1
"""Mean absolute difference of known pixels, in [0, 1], up to which a network returns them. Most files copy them;
generators alone differ by a few levels of 255. A wrong value range, polarity or channel gives 0.15 and more."""

OUT_OF_RANGE = 0.25
"""Values of a fill may be outside [0, 1] by this."""


@dataclass(frozen=True)
class PublicNetwork:
    """How a kind of network takes photos and returns fills; all photos are RGB.

    Attributes:
        title: whose files are of this kind.
        inputs: channels of its inputs: (3, 1) for photo and mask, (4,) for both in one.
        photo: values of black and white in the photo. Holes have the value 0, unless the network `mixes`.
        mask: values of hole and known in the mask.
        output: values of black and white in the output.
        type: "float" or "uint8", of inputs and output.
        mask_first: the mask is before the photo in one input.
        step: height and width must be multiples of it.
        side: of the photos that it works on, to which it resizes others itself.
        mixes: it mixes what the photo has in a hole into the edge of the fill: that is the pyramid fill.
        torchscript: files are TorchScript, too.
        cost: microseconds of one core at 2.5 GHz per pixel that it is given.
    """

    title: str
    inputs: tuple[int, ...]
    photo: tuple[float, float]
    mask: tuple[float, float]
    output: tuple[float, float]
    type: str = "float"
    mask_first: bool = False
    step: int = 8
    side: int | None = None
    mixes: bool = False
    torchscript: bool = False
    cost: float = 40.0

    def feed(self, photo: Frame, known: Frame) -> list[Tensors]:
        """The inputs, 1×C×H×W float32 or uint8, for a photo H×W×3 in [0, 1] and `known` H×W, 1 = known, 0 = hole."""
        (black, white), (hole, kept) = self.photo, self.mask
        shown = black + (white - black) * photo
        shown = fill_frame(shown, known) if self.mixes else shown * known[..., None]
        pixels = shown.transpose(2, 0, 1)[None]
        mask = (hole + (kept - hole) * known)[None, None]
        parts = [pixels, mask]
        if len(self.inputs) == 1:
            parts = [np.concatenate(parts[::-1] if self.mask_first else parts, axis=1)]
        kind = np.float32 if self.type == "float" else np.uint8
        return [np.ascontiguousarray(np.rint(part) if kind is np.uint8 else part, kind) for part in parts]

    def read(self, output: Tensors) -> Frame:
        """The fill, H×W×3 about in [0, 1], in an output 1×3×H×W."""
        black, white = self.output
        fill = (output[0].astype(np.float32) - np.float32(black)) / np.float32(white - black)
        # Some divide by the number of known pixels, of which there may be none.
        return np.asarray(np.nan_to_num(fill.transpose(1, 2, 0)), np.float32)


NETWORKS = {
    "lama": PublicNetwork(
        "LaMa, from 0 to 255, such as of Carve and OpenCV", (3, 1), (0, 1), mask=(1, 0), output=(0, 255)
    ),
    "lama_unit": PublicNetwork(
        "LaMa, from 0 to 1, such as for manga, and big-lama.pt", (3, 1), (0, 1), (1, 0), (0, 1), torchscript=True
    ),
    "lama_stacked": PublicNetwork("LaMa with one input", (4,), (0, 1), mask=(1, 0), output=(0, 1), step=32),
    "migan": PublicNetwork(
        "MI-GAN's pipeline",
        (3, 1),
        (0, 255),
        mask=(0, 255),
        output=(0, 255),
        type="uint8",
        side=512,
        mixes=True,
        cost=4.0,
    ),
    "migan_generator": PublicNetwork(
        "MI-GAN's generator", (4,), (-1, 1), mask=(-0.5, 0.5), output=(-1, 1), mask_first=True, step=512, cost=4.0
    ),
}
"""By the name for `network`. Suvorov et al. 2022, "Resolution-robust Large Mask Inpainting with Fourier
Convolutions" (LaMa); Sargsyan et al. 2023, "MI-GAN: A Simple Baseline for Image Inpainting on Mobile Devices"."""


class PublicBackend(Backend):
    """A network of `NETWORKS`, which is given one window at a time.

    Args:
        run: the network.
        network: its kind.
        size: height and width that it takes alone; None for any.
        device: where it runs.

    Attributes:
        network: its kind.
        size: height and width that it is given; None for any.
        training_size: side in pixels of the photos it is for.
        ports: inputs of an ONNX file, in the order of `PublicNetwork.feed`.
    """

    draws = True

    def __init__(self, run: RunNetwork, network: PublicNetwork, size: tuple[int, int] | None, device: str) -> None:
        self._run, self.network, self.device = run, network, device
        self.size = size or (network.side and (network.side, network.side))
        self.max_side = min(self.size) if self.size else None
        self.step = self.max_side or network.step
        self.training_size = self.max_side or TRAINING_SIZE
        self.ports: list[Port] = []

    def __call__(self, photo: Frame, known: Frame, /) -> Frame:
        """See `Backend`."""
        return np.stack([self._complete(*one) for one in zip(photo, known, strict=True)])

    def _complete(self, photo: Frame, known: Frame) -> Frame:
        height, width = known.shape
        to_height, to_width = self.size or (-(-height // self.step) * self.step, -(-width // self.step) * self.step)
        padding = (0, to_height - height, 0, to_width - width)
        inputs = self.network.feed(*(_pad(part, padding) for part in (photo, known)))
        return self.network.read(self._run(inputs))[:height, :width]


def _pad(part: Frame, padding: tuple[int, int, int, int]) -> Frame:
    return np.asarray(cv2.copyMakeBorder(part, *padding, cv2.BORDER_REFLECT_101), np.float32)


@dataclass(frozen=True)
class Port:
    """An input or output of an ONNX file.

    Attributes:
        name: in the file.
        type: of its numbers, as numpy names it.
        channels: of 1×C×H×W; None where the file does not fix them.
        size: height and width; None where the file does not fix both.
    """

    name: str
    type: str
    channels: int | None
    size: tuple[int, int] | None


def load_onnx(path: Path, device: str, threads: int, network: str) -> tuple[Backend, int]:
    """The backend of an ONNX file, and the training size of its network.

    Args:
        path: the file: a generator that `onar export` wrote, or a network of `NETWORKS`.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        threads: of the CPU; 0 for one on each core that may be used.
        network: kind of a network that Onar did not write; "auto" to find it.

    Raises:
        OnarError: the file cannot be read; no kind fits it, or more than one.
        UsageError: the device is not there, or `network` does not fit the file.
    """
    session = OnnxSession(path, device, threads)
    if session.is_own:
        own = OnnxBackend(path, session=session)
        return own, own.training_size
    from onar.weights.store import kind_of  # here, because it imports what downloads files

    if network == "auto" and (known := kind_of(path)):
        network = known
    ports = _ordered([_port(one) for one in session.running.get_inputs()])

    def run(inputs: list[Tensors]) -> Tensors:
        feeds = {port.name: part.astype(port.type) for port, part in zip(ports, inputs, strict=True)}
        return session.run(feeds)

    fitting = {name: one for name, one in NETWORKS.items() if _takes(one, ports)}
    size = next((port.size for port in ports if port.size), None)
    backend = _choose(fitting, run, size, session.device, path, network)
    backend.ports = ports
    return backend, backend.training_size


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive, which holds code."""
    with suppress(OSError, BadZipFile), ZipFile(path) as archive:
        return any(name.partition("/")[2].startswith("code/") for name in archive.namelist())
    return False


def load_torchscript(path: Path, device: str, threads: int, network: str, *, trust: bool) -> PublicBackend:
    """The backend of a TorchScript file.

    Args:
        path: the file.
        device: as for `load_onnx`.
        threads: as for `load_onnx`; 0 for torch's own number.
        network: as for `load_onnx`.
        trust: run the code that is in the file.

    Raises:
        OnarError: the file cannot be read, PyTorch is missing, or no kind fits it.
        UsageError: the code is not trusted, or the device is not there.
    """
    if not trust:
        raise FieldError("weights", f"{path} is a TorchScript file, a program: only with `trust_weights` is it run")
    try:
        import torch
    except ModuleNotFoundError as error:
        raise OnarError(f"{path} needs {extra_for_training(error)}") from error
    place = choose_device(device)
    try:
        with catch_warnings(action="ignore", category=FutureWarning):  # torch's own, for those who write such files
            module = torch.jit.load(path, map_location=place).eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as error:
        raise OnarError(f"cannot read {path}: it is damaged, or not for this version of PyTorch") from error

    def run(inputs: list[Tensors]) -> Tensors:
        with torch.no_grad(), cpu_threads(threads):
            output: Tensors = module(*(torch.from_numpy(part).to(place) for part in inputs)).float().cpu().numpy()
        return output

    fitting = {name: one for name, one in NETWORKS.items() if one.torchscript}
    return _choose(fitting, run, None, str(place), path, network)


def _choose(
    fitting: dict[str, PublicNetwork],
    run: RunNetwork,
    size: tuple[int, int] | None,
    device: str,
    path: Path,
    network: str,
) -> PublicBackend:
    """The backend of the kind that is named, or of the one kind that passes the test."""
    if network != "auto":
        if network not in fitting:
            others = f", which {' or '.join(fitting)} may" if fitting else ", and no other kind does"
            raise FieldError("network", f"{network} does not fit the inputs of {path}{others}")
        return PublicBackend(run, NETWORKS[network], size, device)
    backends = {name: PublicBackend(run, one, size, device) for name, one in fitting.items()}
    failures = {name: failure(backend) for name, backend in backends.items()}
    passed = [name for name, reason in failures.items() if reason is None]
    if len(passed) == 1:
        return backends[passed[0]]
    tried = "; ".join(f"as {name}, {reason or 'it passes the test'}" for name, reason in failures.items())
    found = "more than one kind of network fits it" if passed else "no kind of network fits it"
    raise FieldError(
        "network",
        f"must be one of {', '.join(NETWORKS)}: {path} was not written by onar export, and {found}"
        f"{f' ({tried})' if tried else ''}",
    )


def failure(backend: PublicBackend) -> str | None:
    """Complete a small photo with a hole; returns what is wrong with the result, or None.

    Raises:
        OnarError: memory ran out.
    """
    side = backend.max_side or max(PROBE_SIZE, backend.step)
    photo, known = probe(side)
    try:
        (fill,) = backend(photo[None] * known[None, ..., None], known[None])
    except Exception as error:  # those of ONNX Runtime and torch have no class in common
        if is_out_of_memory(error):
            raise
        return f"it fails ({str(error).strip().splitlines()[0][:120]})"
    hole = known == 0
    if fill.shape != photo.shape:
        return "the result has another size"
    error_of_known = float(np.abs(fill - photo)[~hole].mean())
    if error_of_known > MAX_KNOWN_ERROR:
        return f"known pixels differ by {error_of_known:.2g} of 1"
    low, high = float(fill[hole].min()), float(fill[hole].max())
    if low < -OUT_OF_RANGE or high > 1 + OUT_OF_RANGE:
        return f"the fill ranges from {low:.2g} to {high:.2g}"
    return None


def probe(side: int) -> tuple[Frame, Frame]:
    """A photo side×side×3 in [0, 1] of smooth waves, other ones in each channel, and `known` with a hole inside.

    Known pixels that are filled, of another channel or of another value range differ by more than `MAX_KNOWN_ERROR`.
    """
    rows, columns = np.mgrid[0:side, 0:side] / np.float32(side)
    waves = np.sin(9 * rows + 5 * columns), np.sin(7 * columns - 4 * rows + 1), np.cos(6 * rows + 8 * columns)
    photo = np.stack([mean + 0.28 * wave for mean, wave in zip((0.65, 0.45, 0.3), waves, strict=True)], axis=2)
    known = np.ones((side, side), np.float32)
    known[side // 4 : side // 2, side // 3 : 2 * side // 3] = 0
    return photo.astype(np.float32), known


def _takes(network: PublicNetwork, ports: Sequence[Port]) -> bool:
    """Whether inputs, `_ordered`, may be those of a kind of network, by their number, channels and types."""
    kinds = {"uint8"} if network.type == "uint8" else {"float32", "float16", "float64"}
    if len(ports) != len(network.inputs) or any(port.type not in kinds for port in ports):
        return False
    return all(port.channels in (None, channels) for port, channels in zip(ports, network.inputs, strict=True))


def _ordered(ports: Sequence[Port]) -> list[Port]:
    """Inputs in the order photo, mask: by their channels, else by their names, else as they are."""
    return sorted(ports, key=lambda port: (port.channels == 1, "mask" in port.name.lower()))


def _port(one: Any) -> Port:
    shape = [*one.shape, None, None, None, None][:4]
    channels, height, width = (side if isinstance(side, int) else None for side in shape[1:])
    kinds = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64"}
    kind = kinds.get(one.type, one.type.removeprefix("tensor(").removesuffix(")"))
    return Port(one.name, kind, channels, (height, width) if height and width else None)
