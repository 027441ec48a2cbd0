"""The errors a person can cause, each told in one line: what is wrong and what to do."""

_TRAINING_PACKAGES = frozenset({"accelerate", "matplotlib", "torch", "torchmetrics", "torchvision"})
"""What the extra `train` brings."""


class OnarError(Exception):
    """Something failed; the message is one line for the person at the keyboard (exit code 1)."""


class UsageError(OnarError, ValueError):
    """An option or argument has a value it cannot have (exit code 2)."""


def extra_for_training(error: ModuleNotFoundError) -> str | None:
    """How to install what an import did not find, when that is a package of the extra `train`."""
    missing = (error.name or "").partition(".")[0]
    return f'pip install "onar[train]" ({missing} is missing)' if missing in _TRAINING_PACKAGES else None


def printable(path: object) -> str:
    """A path on one line, with `?` for line breaks and bytes that are not text."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(path))
