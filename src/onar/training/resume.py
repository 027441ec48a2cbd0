"""Whether a checkpoint fits the settings of a run that is to go on from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from onar.errors import OnarError, UsageError
from onar.settings.checks import plain_settings
from onar.settings.fit import FitConfig
from onar.settings.options import HUB_PREFIX, Precision
from onar.training.progress import Progress
from onar.training.setting_kinds import BATCH_KEYS, LENGTH_KEYS, PLACES, RATE_KEYS
from onar.weights.metadata import FORMAT, NEWER, refuse_newer


class Checkpoint(NamedTuple):
    """A resumable state and the file it is from."""

    path: Path
    state: dict[str, Any]


def refuse_other_settings(checkpoint: Checkpoint, config: FitConfig, free: frozenset[str]) -> None:
    """Raise when a run cannot go on from a checkpoint.

    Args:
        checkpoint: an earlier state.
        config: the settings of now.
        free: those that may differ.

    Raises:
        UsageError: other settings differ.
        OnarError: the file is no checkpoint, or of a newer version.
    """
    path, state = checkpoint
    if not (isinstance(state.get("config"), dict) and isinstance(state.get("progress"), dict)):
        raise OnarError(f"{path} is not a checkpoint of a run; `resume` takes a file from a checkpoints folder")
    refuse_newer(state.get("format", FORMAT), path)
    known = {field.name for part in (type(config), Progress) for field in fields(part)} | {"best_psnr"}
    for key in sorted((state["config"].keys() | state["progress"].keys()) - known):
        raise OnarError(f"{path} has {key!r}, which this version does not know{NEWER}")
    before, now = _without_places(_settings_before(state, config)), _without_places(plain_settings(config))
    if now["mixed_precision"] in ("auto", kept_precision(state)):  # either goes on as the run began
        now["mixed_precision"] = before["mixed_precision"]
    if _batch(before) == _batch(now):
        free |= BATCH_KEYS
    differing = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    differing = [key for key in differing if key not in free]
    if not differing:
        return
    changes = _changes(before, now, differing, form="`{}`")
    longer = f"train it for longer with `resume` {path}, " if LENGTH_KEYS.issuperset(differing) else ""
    raise UsageError(
        f"{path} belongs to a run with other settings ({changes}): {longer}choose another `results_dir`, or "
        "replace that run with `resume` never"
    )


def describe_changes(state: dict[str, Any], config: FitConfig) -> str:
    """The settings that change the course of a run that goes on, such as "epochs was 8, is 12"; may be empty."""
    before, now = _settings_before(state, config), plain_settings(config)
    return _changes(before, now, sorted(LENGTH_KEYS | RATE_KEYS | BATCH_KEYS))


def has_other_length(state: dict[str, Any], config: FitConfig) -> bool:
    """Whether the run of a checkpoint is now to be longer or shorter than it was."""
    before, now = state["config"], plain_settings(config)
    return any(before.get(key) != now.get(key) for key in LENGTH_KEYS)


def kept_precision(state: dict[str, Any]) -> Precision:
    """The number format that the run of a checkpoint computes in; older checkpoints have the setting alone."""
    precision: Precision = state["progress"].get("mixed_precision") or state["config"]["mixed_precision"]
    return precision


def _settings_before(state: dict[str, Any], config: FitConfig) -> dict[str, Any]:
    """Those of a checkpoint; an earlier version lacks some, and did what their defaults do."""
    before: dict[str, Any] = plain_settings(type(config)()) | state["config"]
    return before


def _batch(settings: dict[str, Any]) -> int:
    """Samples in one step of a process."""
    return int(settings["batch_size"] * settings.get("accumulation_steps", 1))


def _changes(before: dict[str, Any], now: dict[str, Any], keys: Iterable[str], form: str = "{}") -> str:
    differing = [key for key in keys if before.get(key) != now.get(key)]
    return "; ".join(f"{form.format(key)} was {before.get(key)}, is {now.get(key)}" for key in differing)


def _without_places(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings that say of folders and file lists only that there are some: the photos themselves are compared."""
    local = {name for name in PLACES & settings.keys() if not str(settings[name]).startswith(HUB_PREFIX)}
    return settings | dict.fromkeys(local, "files on this machine")
