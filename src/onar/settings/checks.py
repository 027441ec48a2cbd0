"""What all settings share: TOML files, values checked by their types, and messages that name the flag."""

from __future__ import annotations

import codecs
import tomllib
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from onar.errors import OnarError, UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from pydantic import TypeAdapter

_KINDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
    ...: "...",
}


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file of settings; raises `OnarError` when it is missing or malformed.

    It is UTF-8, with or without the mark that Windows editors put before it, or what that mark says it is. Keys may
    have `-` for `_`, as flags may.
    """
    try:
        content = path.read_bytes()
        encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
        values = tomllib.loads(content.decode(encoding))
    except (OSError, UnicodeDecodeError) as error:
        raise OnarError(f"cannot read {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        advice = ""
        if "\\" in content.decode(errors="replace"):
            advice = "; a \\ in \"double quotes\" begins an escape: write paths with / or in 'single quotes'"
        raise OnarError(f"{path} is not valid TOML: {error}{advice}") from error
    return {key.replace("-", "_"): value for key, value in values.items()}


class Settings:
    """A dataclass of settings, each of which has the type of its field, wherever it comes from.

    As on the command line, "16" is read as a number, and a list or text as the tuple or path that is meant. What is not
    sure to be meant is refused: a broken number for a whole one, true for a number, a word that is no choice.
    """

    def __post_init__(self) -> None:
        """Check and convert what is not the default; raises `UsageError` with the flag's name and what it takes."""
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if value is not field.default:  # so --help, which has defaults only, need not wait for pydantic
                object.__setattr__(self, field.name, _fitting(type(self), field.name, value))


def _fitting(settings: type, name: str, value: Any) -> Any:
    """A value as the type of its field has it; raises `UsageError` when it cannot be."""
    from pydantic import ValidationError

    if value == "" and Path in (_types(settings)[name], *get_args(_types(settings)[name])):  # it would be this folder
        raise UsageError(f"--{name} takes {_describe(_types(settings)[name])}, not an empty text")
    try:
        return _adapter(settings, name).validate_python(value, strict=isinstance(value, bool))
    except ValidationError:
        raise UsageError(f"--{name} takes {_describe(_types(settings)[name])}, not {value!r}") from None


@cache
def _adapter(settings: type, name: str) -> TypeAdapter[Any]:
    """What checks the values of a field."""
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(_types(settings)[name], config=ConfigDict(allow_inf_nan=False))


@cache
def _types(settings: type) -> dict[str, Any]:
    """The types of all fields by name."""
    return get_type_hints(settings)


def _describe(hint: Any) -> str:
    """What values of a type are, for people: its choices, or their kind."""
    parts = get_args(hint)
    if get_origin(hint) is Literal:
        return f"{', '.join(parts[:-1])} or {parts[-1]}"
    if get_origin(hint) is tuple:
        return f"({', '.join(map(_describe, parts))})"
    return _KINDS[hint] if hint in _KINDS else " or ".join(_describe(part) for part in parts if part is not NoneType)


def require(holds: bool, name: str, rule: str, value: object) -> None:
    """Raise `UsageError` that names the flag unless its value keeps to the rule."""
    if not holds:
        raise UsageError(f"--{name} {rule}, not {value}")


def at_least(name: str, value: float, minimum: float) -> None:
    """Raise `UsageError` that names the flag when its value is below the minimum."""
    require(value >= minimum, name, f"must be at least {minimum}", value)


def check_seed(seed: int) -> None:
    """Raise `UsageError` for a seed that no generator of random numbers takes."""
    require(0 <= seed < 2**63, "seed", "must be at least 0 and below 2^63", seed)


def check_patchmatch_seed(seed: int) -> None:
    """Raise `UsageError` for a seed that PatchMatch would take for another one: it has 32 bits of it."""
    require(0 <= seed < 2**32, "seed", "must be at least 0 and below 2^32", seed)


def plain_settings(settings: DataclassInstance) -> dict[str, Any]:
    """The fields of a dataclass as the values TOML knows; those that are None are left out."""
    plain: dict[str, Any] = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if value is not None:
            plain[field.name] = [_plain(part) for part in value] if isinstance(value, tuple) else _plain(value)
    return plain


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
