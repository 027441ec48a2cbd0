"""Settings as dataclasses: TOML files, values checked by types and ranges, and messages that name the field."""

from __future__ import annotations

import codecs
import tomllib
from dataclasses import fields
from functools import cache
from math import isfinite
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

from onar.errors import FieldError, OnarError
from onar.settings.ranges import describe_range

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from pydantic import TypeAdapter

_RANGE_ERRORS = frozenset({"greater_than", "greater_than_equal", "less_than", "less_than_equal"})
"""Pydantic's types of errors about values out of range."""

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

    The encoding is UTF-8, or UTF-16 with a byte order mark, as Windows editors write them. Keys may have `-` for `_`,
    as flags may.
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
    """A dataclass of settings whose values have the types and ranges of their fields, from any source.

    As on the command line, "16" is read as a number, and a list or text as a tuple or path. Ambiguous values are
    refused: a fraction for a whole number, true for a number, an unknown choice.
    """

    topic: ClassVar[str | None] = None
    """Title of the fields that the class declares, in `--help`."""

    def __post_init__(self) -> None:
        """Check and convert all values but the defaults; raises `FieldError`."""
        kind: Any = type(self)
        for field in fields(kind):
            value = getattr(self, field.name)
            if value is not field.default:  # so --help, which has defaults only, does not import pydantic
                object.__setattr__(self, field.name, validated(field.name, _field_types(kind)[field.name], value))


def validated(name: str, hint: Any, value: Any) -> Any:
    """A value converted to a type; raises `FieldError` when it has another type or is out of range.

    >>> from onar.settings.ranges import PositiveInt
    >>> validated("count", PositiveInt, "3")
    3
    >>> validated("count", PositiveInt, 0)
    Traceback (most recent call last):
    onar.errors.FieldError: count must be at least 1, not 0
    """
    if _is_valid(hint, value):
        return value
    return _converted(name, hint, value)


def _is_valid(hint: Any, value: Any) -> bool:
    """Whether a value is of a simple type and in its range; False where that takes pydantic to say, or to convert.

    Importing pydantic takes longer than filling a small hole, and the command line has converted its values already.
    """
    parts = get_args(hint)
    if get_origin(hint) is Annotated:
        return _is_valid(parts[0], value) and all(_is_within(limit, value) for limit in parts[1:])
    if get_origin(hint) is Literal:
        return isinstance(value, str) and value in parts
    if get_origin(hint) in (Union, UnionType):
        return any(_is_valid(part, value) for part in parts)
    if hint is Path:
        return isinstance(value, Path)
    if hint is float:
        return type(value) is float and isfinite(value)
    return hint in (int, bool, str, NoneType) and type(value) is hint and value != ""


def _is_within(limit: object, value: Any) -> bool:
    """Whether a number keeps to a bound of `annotated_types`; False for any other rule."""
    return (
        (isinstance(limit, Ge) and value >= limit.ge)
        or (isinstance(limit, Gt) and value > limit.gt)
        or (isinstance(limit, Le) and value <= limit.le)
        or (isinstance(limit, Lt) and value < limit.lt)
    )


def _converted(name: str, hint: Any, value: Any) -> Any:
    """See `validated`, by pydantic."""
    from pydantic import ValidationError

    kind = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if value == "" and Path in (kind, *get_args(kind)):  # it would be the current folder
        raise FieldError(name, f"takes {_describe(hint)}, not an empty text")
    try:
        return _adapter(hint).validate_python(value, strict=isinstance(value, bool))
    except ValidationError as error:
        kinds = {problem["type"] for problem in error.errors(include_url=False, include_input=False)}
        if kinds & _RANGE_ERRORS:
            raise out_of_range(name, hint, value) from None
        raise FieldError(name, f"takes {_describe(hint)}, not {value!r}") from None


def out_of_range(name: str, hint: Any, value: Any) -> FieldError:
    """The error about a value that is out of the range of a type."""
    return FieldError(name, f"must be {describe_range(hint)}, not {value}")


@cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    """The validator of a type."""
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(hint, config=ConfigDict(allow_inf_nan=False))


@cache
def _field_types(settings: Any) -> dict[str, Any]:
    """The types of all fields by name, with their ranges."""
    return get_type_hints(settings, include_extras=True)


def field_help(settings: type) -> dict[str, str]:
    """The texts under the fields of a dataclass of settings."""
    from docstring_parser import parse_from_object

    sources = [parse_from_object(part) for part in reversed(settings.__mro__[:-1])]
    return {entry.arg_name: " ".join((entry.description or "").split()) for text in sources for entry in text.params}


def _describe(hint: Any) -> str:
    """The values that a type takes: its choices, or their kind."""
    parts = get_args(hint)
    if get_origin(hint) is Annotated:
        return _describe(parts[0])
    if get_origin(hint) is Literal:
        return f"{', '.join(parts[:-1])} or {parts[-1]}"
    if get_origin(hint) is tuple:
        return f"({', '.join(map(_describe, parts))})"
    if hint in _KINDS:
        return _KINDS[hint]
    return " or ".join(dict.fromkeys(_describe(part) for part in parts if part is not NoneType))


def require(holds: bool, name: str, rule: str, value: object) -> None:
    """Raise `FieldError` unless a value keeps to the rule of its field."""
    if not holds:
        raise FieldError(name, f"{rule}, not {value}")


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
