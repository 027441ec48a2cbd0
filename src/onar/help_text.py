"""The words that cyclopts itself puts into `--help`, in the user's language."""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

from onar.system.language import translate

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions


class TranslatedHelp:
    """A formatter of cyclopts for another language than English; texts of the command itself arrive translated."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print a panel."""
        from cyclopts.help import DefaultFormatter

        entries = [_translated(entry) for entry in panel.entries]
        DefaultFormatter()(console, options, panel.copy(title=translate(str(panel.title)), entries=entries))

    def render_usage(self, console: Console, options: ConsoleOptions, usage: Any) -> None:
        """Print the line with the usage."""
        from rich.text import Text

        words = re.sub(r"\b(COMMAND|OPTIONS|ARGS)\b", lambda word: translate(word[0]), str(usage))
        console.print(Text(f"{translate('Usage')}: {words}", style="bold"))

    def render_description(self, console: Console, options: ConsoleOptions, description: Any) -> None:
        """Print the text of the command."""
        console.print(description)


def _translated(entry: HelpEntry) -> HelpEntry:
    """An entry whose choices, variables and default are in its description, which cyclopts would name in English."""
    from rich.text import Text

    facts = {
        "choices": ", ".join(entry.choices or ()),
        "env var": ", ".join(entry.env_var or ()),
        "default": entry.default,
    }
    notes = [f"[{translate(name)}: {value}]" for name, value in facts.items() if value]
    notes += [f"[{translate('required')}]"] if entry.required else []
    for note in notes:
        entry.description.append(Text(note, "dim"))
    return entry.copy(choices=None, env_var=None, default=None, required=False)


def translated_doc(doc: str) -> str:
    """The text of a command in the user's language, without the arguments, which have texts of their own."""
    paragraphs = cleandoc(doc).partition("\n\nArgs:")[0].split("\n\n")
    return "\n\n".join(translate(" ".join(paragraph.split())) for paragraph in paragraphs)
