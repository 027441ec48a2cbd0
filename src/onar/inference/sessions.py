"""Sessions of ONNX Runtime: on which device, with how many threads, and from the cache of optimised graphs."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

from onar.errors import FieldError, OnarError, is_out_of_memory
from onar.inference.session_cache import GRAPH, WEIGHTS, entry_of, mark_used, new_entry
from onar.system.devices import available_cores, available_cpus, check_device

ONNX_PROVIDERS = {"cuda": "CUDAExecutionProvider", "mps": "CoreMLExecutionProvider", "cpu": "CPUExecutionProvider"}
"""Names of the devices in ONNX Runtime."""

Session: TypeAlias = Any
"""`onnxruntime.InferenceSession`, which has no types."""


class OnnxSession:
    """An ONNX file in ONNX Runtime.

    Args:
        path: the file.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps"; others than the CPU need a build of ONNX
            Runtime that has them.
        threads: of the CPU; 0 for one on each core that may be used.

    Raises:
        OnarError: the file cannot be read.
        UsageError: the device is not there, or cannot be used.

    Attributes:
        running: ONNX Runtime's `InferenceSession`.
        device: where it runs.
        metadata: of the file.
    """

    def __init__(self, path: Path, device: str = "auto", threads: int = 0) -> None:
        import onnxruntime

        wanted = choose_onnx_device(device, onnxruntime.get_available_providers())
        self.running = _start(path, wanted, threads)
        self.device = _device_used(self.running, wanted, is_wanted=device != "auto")
        self.metadata = dict(self.running.get_modelmeta().custom_metadata_map)
        self._run_options = _shrinking() if wanted == "cpu" else None

    def run(self, inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """The first output of the network, by its inputs."""
        output: NDArray[Any] = self.running.run(None, inputs, self._run_options)[0]
        return output

    @property
    def is_own(self) -> bool:
        """Whether the file holds a generator that `onar export` wrote."""
        return "training_size" in self.metadata


def _start(path: Path, device: str, threads: int) -> Session:
    """A session of an ONNX file.

    Args:
        path: the file.
        device: "cpu", "cuda", "cuda:1" or "mps".
        threads: of the CPU; 0 for one on each core that may be used.

    Raises:
        OnarError: there is no such file, or it is damaged.
    """
    if not path.is_file():
        raise OnarError(f"cannot read {path}: there is no such file")
    try:
        if device == "cpu":
            return _start_cached(path, threads)
        options = _options(threads)
        options.enable_cpu_mem_arena = False  # what a GPU leaves to the CPU is small
        return _create(path, options, device)
    except OnarError:
        raise
    except Exception as error:  # ONNX Runtime's errors have no class in common
        if is_out_of_memory(error):
            raise
        raise OnarError(f"{path} is damaged or not an ONNX file") from error


def _start_cached(path: Path, threads: int) -> Session:
    """A session on the CPU, from the cache; the file is entered there if it is not."""
    import onnxruntime

    entry = entry_of(path, onnxruntime.__version__)
    if entry is None:
        return _create(path, _options(threads))
    if os.path.exists(entry):  # not `Path.exists`, which raises where it may not look
        options = _options(threads)
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        with suppress(Exception):  # it is damaged, or removed meanwhile
            session = _create(entry / GRAPH, options)
            mark_used(entry)
            return session
        shutil.rmtree(entry, ignore_errors=True)
    with suppress(Exception), new_entry(entry) as folder:  # no room, no permission
        options = _options(threads)
        options.optimized_model_filepath = str(folder / GRAPH)
        options.add_session_config_entry("session.optimized_model_external_initializers_file_name", WEIGHTS)
        return _create(path, options)
    return _create(path, _options(threads))


def _create(path: Path, options: Any, device: str = "cpu") -> Session:
    import onnxruntime

    return onnxruntime.InferenceSession(path, options, providers=[provider(device)])


def _options(threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # not of errors: they are raised
    options.intra_op_num_threads = _cpu_threads(threads)
    # Spinning threads take time from those that they wait for, where another program takes a core: a pass took 2.2
    # times as long as alone, without spinning 1.6 times (two cores; alone, spinning saves 2 %).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _shrinking() -> Any:
    """Options of a run that return its memory to the system afterwards.

    The arena would keep that of the largest window for as long as the process lives. Without an arena, the system
    clears new pages for each layer: the first run of the bundled network took 1.1 times as long at 512 px, 1.8 times
    at 1024.
    """
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def provider(device: str) -> str | tuple[str, dict[str, str]]:
    """Name of a device in ONNX Runtime, with options for a GPU."""
    kind, _, number = device.partition(":")
    if kind != "cuda":
        return ONNX_PROVIDERS[kind]
    # By default all algorithms of a convolution are timed for each new size of windows.
    return ONNX_PROVIDERS[kind], {"cudnn_conv_algo_search": "HEURISTIC", **({"device_id": number} if number else {})}


def _device_used(session: Session, device: str, is_wanted: bool) -> str:
    """Device of a session: the CPU where the provider of another exists, but not its driver or libraries.

    Raises:
        UsageError: the device is wanted, and not used.
    """
    if ONNX_PROVIDERS[device.partition(":")[0]] in session.get_providers():
        return device
    if is_wanted:
        raise FieldError(
            "device",
            f"{device} cannot be used by this ONNX Runtime: a driver is missing, or a library of the version that it "
            "was built for; use `device` cpu",
        )
    return "cpu"


def _cpu_threads(threads: int) -> int:
    """CPU threads of a session; 0 for ONNX Runtime's own choice.

    That is one on each core of the machine with affinity to it, which fails where this process, such as in a container,
    may not use them all.
    """
    cores = available_cores()
    return threads or (cores if available_cpus() < (os.cpu_count() or 1) else 0)


def choose_onnx_device(device: str, providers: list[str]) -> str:
    """The device for "auto", "cpu", "cuda", "cuda:1" or "mps" among ONNX Runtime's providers.

    Raises:
        UsageError: the device is not there.
    """
    available = [name for name, theirs in ONNX_PROVIDERS.items() if theirs in providers]
    kind = check_device(device).partition(":")[0]
    if device == "auto":
        return "cuda" if "cuda" in available else "cpu"  # CoreML, never measured, only when asked for
    if kind not in available:
        raise FieldError(
            "device",
            f"{device} is not available in this ONNX Runtime; use `device` {available[0]}, or for PyTorch's GPUs pip "
            'install "onar[train]"',
        )
    return device
