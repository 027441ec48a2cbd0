"""The command in the user's language: texts of `assets/texts`, by their English text.

English is what the code says; a language is a file named by its code, and texts that it lacks stay in English.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TEXTS = Path(__file__).parents[1] / "assets" / "texts"
_MAX_LENGTH = 1000
"""In letters, of a message that is looked up: longer ones are tables."""
MESSAGES_IN_MESSAGES = frozenset(
    {"advice", "example", "first", "problems", "range", "reason", "reasons", "what", "weights"}
)
"""Names in messages that stand for messages."""


def language() -> str:
    """The code of the user's language, by LANGUAGE, LC_ALL, LC_MESSAGES and LANG as gettext reads them; or "en".

    On Windows, where these are not set, by the language of the system.
    """
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next(filter(None, names), None) or _language_of_windows()
    if re.fullmatch(r"(C|POSIX)?(\..*)?", locale):
        return "en"
    for name in (os.environ.get("LANGUAGE") or locale).split(":"):
        code = re.split(r"[_.@-]", name)[0].lower()
        if code == "en" or code in _languages():
            return code
    return "en"


def _language_of_windows() -> str:
    if sys.platform != "win32":
        return ""
    import ctypes
    import locale

    return locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "")


@cache
def _languages() -> frozenset[str]:
    return frozenset(file.stem for file in _TEXTS.glob("*.toml"))


def translate(text: str) -> str:
    """A text of `--help` in the user's language."""
    code = language()
    return text if code == "en" else _load(code).help.get(" ".join(text.split()), text)


def translate_message(text: str) -> str:
    """A message in the user's language; of `FILE: MESSAGE`, the message."""
    code = language()
    return text if code == "en" or len(text) > _MAX_LENGTH else _translate(text, _load(code))


def _translate(text: str, texts: _Texts) -> str:
    if found := texts.messages.get(text):
        return found
    for pattern, translated in texts.templates.items():
        if match := pattern.fullmatch(text):
            return translated.format_map(
                {name: _value(name, value, texts) for name, value in match.groupdict().items()}
            )
    start, colon, rest = text.partition(": ")
    return f"{texts.messages.get(start, start)}{colon}{_translate(rest, texts)}" if rest else text


def _value(name: str, value: str, texts: _Texts) -> str:
    """Placeholders of names in messages: names of files stay, messages are translated."""
    return _translate(value, texts) if name in MESSAGES_IN_MESSAGES else value


@dataclass(frozen=True)
class _Texts:
    """The texts of a language by their English text."""

    help: Mapping[str, str]
    messages: Mapping[str, str]
    templates: Mapping[re.Pattern[str], str]
    """Messages with names in braces."""


@cache
def _load(code: str) -> _Texts:
    read = tomllib.loads((_TEXTS / f"{code}.toml").read_text(encoding="utf-8"))
    messages = read["messages"] | read["others"]
    templates = {_pattern(text): translated for text, translated in messages.items() if "{" in text}
    return _Texts(read["words"] | read["help"], messages, templates)


def _pattern(text: str) -> re.Pattern[str]:
    """Match a text with anything for its names in braces."""
    parts = re.split(r"\{(\w+)\}", text)
    return re.compile("".join(f"(?P<{part}>.+?)" if at % 2 else re.escape(part) for at, part in enumerate(parts)), re.S)
