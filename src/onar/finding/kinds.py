"""The kinds of what can be found, by name; help, API, page and documentation come from this table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec

from onar.errors import FieldError, OnarError


@dataclass(frozen=True)
class FoundKind:
    """A kind of what can be found.

    Attributes:
        name: for `what`.
        about: what belongs to it, in a few words.
        grow: pixels by which its marks are widened by default.
        channel: of the damage network's output; None for what is no damage.
        extra: of the installation, where it needs one.
    """

    name: str
    about: str
    grow: int
    channel: int | None = None
    extra: str | None = None


KINDS = {
    kind.name: kind
    for kind in (
        FoundKind("scratches", "scratches, hairs, fibres, cracks, creases and folds", grow=1, channel=0),
        FoundKind("dust", "specks, dust, blotches and torn rims", grow=1, channel=1),
        FoundKind("text", "writing, and date stamps of cameras", grow=2, extra="text"),
    )
}
"""Kinds by name."""

WITHOUT_EXTRA = tuple(name for name, kind in KINDS.items() if kind.channel is not None)
"""Kinds that every installation finds."""


PACKAGES = {"text": "rapidocr"}
"""The package that each extra adds."""


class MissingExtraError(OnarError):
    """Something that needs an extra which is not installed."""


def missing_extra(kind: FoundKind) -> str | None:
    """The extra that a kind needs and that is not installed; loads nothing.

    >>> missing_extra(KINDS["dust"]) is None
    True
    """
    return kind.extra if kind.extra and find_spec(PACKAGES[kind.extra]) is None else None


def kinds_of(what: str | Iterable[str], field: str = "what") -> tuple[FoundKind, ...]:
    """The kinds in a text such as "scratches,dust", or in several, in the order of `KINDS`.

    `field` is the name of the setting in messages; raises `FieldError` for no kind, and for unknown ones.

    >>> [kind.name for kind in kinds_of("text, scratches")]
    ['scratches', 'text']
    """
    texts = [what] if isinstance(what, str) else list(what)
    names = {name.strip() for text in texts for name in str(text).split(",")}
    unknown = sorted(names - KINDS.keys())
    if unknown or not names:
        raise FieldError(field, f"takes some of {','.join(KINDS)}, not {unknown[0]!r}" if unknown else "is empty")
    return tuple(kind for name, kind in KINDS.items() if name in names)


def describe_kinds() -> str:
    """All kinds in one sentence, for help texts.

    >>> describe_kinds()[:29]
    'scratches (scratches, hairs, '
    """
    return "; ".join(f"{kind.name} ({kind.about})" for kind in KINDS.values())
