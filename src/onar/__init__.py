"""Onar: image inpainting with partial convolutions. The public names load when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from onar.system.state import disable_telemetry

if TYPE_CHECKING:
    from onar.completion.config import CompletionConfig
    from onar.completion.in_process import Outcome, complete_files
    from onar.completion.plan import Job
    from onar.errors import OnarError, UsageError
    from onar.evaluation.verb import evaluate, write_pairs
    from onar.finding.finder import find
    from onar.inference.extending import extend
    from onar.inference.inpainter import Inpainter
    from onar.masks.generation import random_mask
    from onar.models import Discriminator, PartialConv2d, PConvUNet, PyramidFill
    from onar.settings.training import TrainConfig
    from onar.training.gan.verb import train

__all__ = [
    "CompletionConfig",
    "Discriminator",
    "Inpainter",
    "Job",
    "OnarError",
    "Outcome",
    "PConvUNet",
    "PartialConv2d",
    "PyramidFill",
    "TrainConfig",
    "UsageError",
    "complete_files",
    "evaluate",
    "extend",
    "find",
    "random_mask",
    "train",
    "write_pairs",
]

_HOMES = {
    "CompletionConfig": "onar.completion.config",
    "Discriminator": "onar.models",
    "Inpainter": "onar.inference.inpainter",
    "Job": "onar.completion.plan",
    "OnarError": "onar.errors",
    "Outcome": "onar.completion.in_process",
    "PConvUNet": "onar.models",
    "PartialConv2d": "onar.models",
    "PyramidFill": "onar.models",
    "TrainConfig": "onar.settings.training",
    "UsageError": "onar.errors",
    "complete_files": "onar.completion.in_process",
    "evaluate": "onar.evaluation.verb",
    "extend": "onar.inference.extending",
    "find": "onar.finding.finder",
    "random_mask": "onar.masks.generation",
    "train": "onar.training.gan.verb",
    "write_pairs": "onar.evaluation.verb",
}


disable_telemetry()  # before anything imports what would


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'onar' has no attribute {name!r}")
    try:
        return getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        from onar.errors import extra_for_training

        if advice := extra_for_training(error):
            raise ModuleNotFoundError(f"onar.{name} needs {advice}", name=error.name) from error
        raise
