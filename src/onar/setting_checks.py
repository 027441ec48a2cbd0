"""What all settings share: TOML files, and messages that name the flag."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from onar.errors import OnarError, UsageError


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file; raises `OnarError` when it is missing or malformed."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise OnarError(f"cannot read {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise OnarError(f"{path} is not valid TOML: {error}") from error


def require(holds: bool, name: str, rule: str, value: object) -> None:
    """Raise `UsageError` that names the flag unless its value keeps to the rule."""
    if not holds:
        raise UsageError(f"--{name} {rule}, not {value}")


def at_least(name: str, value: float, minimum: float) -> None:
    """Raise `UsageError` that names the flag when its value is below the minimum."""
    require(value >= minimum, name, f"must be at least {minimum}", value)
