"""The errors a person can cause, each told in one line: what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_TRAINING_PACKAGES = frozenset({"accelerate", "matplotlib", "torch", "torchmetrics", "torchvision"})
"""What the extra `train` brings."""


class OnarError(Exception):
    """Something failed; the message is one line for the person at the keyboard (exit code 1)."""


class UsageError(OnarError, ValueError):
    """An option or argument has a value it cannot have (exit code 2)."""


class OutOfMemoryError(OnarError, MemoryError):
    """Memory ran out; the message says over what, or what needs less."""


_OUT_OF_MEMORY = (
    "out of memory",  # torch on GPUs
    "not enough memory",  # torch on Windows
    "can't allocate memory",  # torch on other systems
    "could not create a memory object",  # oneDNN, by which torch computes on CPUs
    "could not create a primitive",
    "insufficient memory",  # OpenCV, and decoders
    "failed to allocate",  # OpenCV, ONNX Runtime
    "bad_alloc",  # whatever is written in C++
    "bad allocation",
    "failed to serialize proto",  # protobuf, for which a file of weights is small
    "_status_alloc_failed",  # libraries of CUDA
    "cannot allocate memory",  # the system
    "failed to map segment",  # the system, loading a library
    "can't start new thread",
)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or what it was raised from, says that memory ran out: each library says it in its own way."""
    if error is None or isinstance(error, MemoryError):
        return error is not None
    text = "" if isinstance(error, OnarError) else str(error).lower()  # a person's file may be called anything
    return any(words in text for words in _OUT_OF_MEMORY) or is_out_of_memory(error.__cause__)


@contextmanager
def map_memory_errors(message: str) -> Iterator[None]:
    """Turn the errors of libraries for which memory ran out into one; raises `OutOfMemoryError`."""
    try:
        yield
    except OutOfMemoryError:
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(message) from error


def extra_for_training(error: ModuleNotFoundError) -> str | None:
    """How to install what an import did not find, when that is a package of the extra `train`."""
    missing = (error.name or "").partition(".")[0]
    return f'pip install "onar[train]" ({missing} is missing)' if missing in _TRAINING_PACKAGES else None


def printable(path: object) -> str:
    """A path on one line, with `?` for line breaks and bytes that are not text."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(path))
