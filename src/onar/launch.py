"""Running the command: signals, exit codes, and errors as one line that names the flag; and the topics of `--help`."""

from __future__ import annotations

import inspect
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cyclopts import (
    App,
    ArgumentCollection,
    CycloptsError,
    Group,
    MissingArgumentError,
    Parameter,
    Token,
    UnknownOptionError,
    ValidationError,
    convert,
)

from onar.errors import (
    OnarError,
    OutOfMemoryError,
    UsageError,
    extra_for_training,
    is_out_of_memory,
    printable,
)
from onar.help_text import TranslatedHelp, translated_doc
from onar.settings.checks import out_of_range
from onar.settings.ranges import describe_range
from onar.system.devices import let_threads_sleep, limit_openmp
from onar.system.language import language, translate, translate_message
from onar.system.streams import lost_output, steady_streams

RENAMED = {"texture_blend": "blend", "blend_share": "average_share"}
"""Flags of earlier versions, and their names today."""

_SAVES_MEMORY = {
    "complete": "--strategy crop and --workers 0 need the least",
    "evaluate": "a smaller --img_size needs less, or --device cpu where a GPU has too little",
    "masks": "a smaller --img_size needs less",
    "serve": "a smaller --queue and --max_megapixels need less",
    "train": "a smaller --batch_size, --img_size or --num_workers needs less",
}
"""Advice on using less memory, by verb."""


class Command(App):
    """A command whose help shows settings by topic, with their ranges, in the user's language."""

    @property
    def help(self) -> str:
        """The text of the command."""
        text = super().help
        return text if language() == "en" else translated_doc(text)

    @help.setter
    def help(self, text: str) -> None:
        self._help = text

    def assemble_argument_collection(self, **options: Any) -> ArgumentCollection:
        """The arguments; for help, with the range of each in its text, and in the group of the class that has it."""
        arguments = super().assemble_argument_collection(**options)
        if not options.get("parse_docstring"):
            return arguments
        groups: dict[str, Group] = {}
        for argument in arguments:
            for child in argument.children:
                if topic := _topic(argument.hint, child.field_info.name):
                    group = groups.setdefault(topic, Group(topic, sort_key=len(groups)))
                    child.parameter = Parameter.combine(child.parameter, Parameter(group=group))
            text = translate(argument.parameter.help or "")
            if limits := describe_range(argument.field_info.annotation):
                text += f" [{translate_message(limits)}]"
            argument.parameter = Parameter.combine(argument.parameter, Parameter(help=text))
        return arguments


def as_command(verb: Callable[..., None]) -> Command:
    """The command of a verb; decorates its function."""
    command = Command(name=verb.__name__)
    command.default(verb)
    return command


def _topic(settings: Any, field: str) -> str | None:
    """The topic of the class that first declares a field."""
    owner = next((part for part in reversed(settings.__mro__) if field in inspect.get_annotations(part)), None)
    return getattr(owner, "topic", None)


def convert_tokens(hint: Any, tokens: Sequence[Token]) -> Any:
    """Convert as cyclopts does, but refuse a fraction for a whole number, which it rounds, and an empty path."""
    value = convert(hint, tokens)
    paths = value if isinstance(value, list | tuple) else [value]
    if Path() in paths and "" in (token.value for token in tokens):  # such as an unset shell variable
        raise ValueError("takes a path, not an empty text")
    if type(value) is int and "." in (given := tokens[0].value) and float(given) != value:
        raise ValueError(f"takes a whole number, not {given}")
    return value


def run(command: App, verbs: App, arguments: Sequence[str]) -> None:
    """Run the command line; exit code 0 done, 1 failed, 2 wrong use, 130 stopped with Ctrl-C, 143 with SIGTERM."""
    steady_streams()
    let_threads_sleep()
    limit_openmp()
    debug = "--debug" in arguments
    verb = _import_verb(arguments, verbs)
    if language() != "en":
        command.help_formatter = verbs.help_formatter = TranslatedHelp()
    try:
        with _tidy_when_ended():
            command(arguments, exit_on_error=False, print_error=False)
    except SystemExit as end:  # how cyclopts ends a verb that is done
        if not end.code and (error := lost_output()):
            sys.exit(_report(OnarError(f"all is done, but the printed output is lost: {error.strerror}"), 1, debug))
        raise
    except CycloptsError as error:
        sys.exit(_report(UsageError(_describe_misuse(error)), 2, debug))
    except UsageError as error:
        sys.exit(_report(error, 2, debug))
    except OnarError as error:
        sys.exit(_report(_out_of_memory(error, verb) or error, 1, debug))
    except KeyboardInterrupt as stop:
        print(f"\n{translate_message(str(stop) or 'Stopped.')}", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        if reason := _out_of_memory(error, verb) or _external_cause(error, verb):
            sys.exit(_report(OnarError(str(reason)), 1, debug))
        sys.exit(_report(error, 1, debug, "an error in Onar itself; --debug shows where: "))


def _import_verb(arguments: Sequence[str], verbs: App) -> str:
    """The verb; or "onar", for the help of all verbs, which are imported for it."""
    verb = next((word for word in arguments if word in verbs and not word.startswith("-")), "onar")
    if verb == "onar":
        verbs.resolved_commands()
    return verb


@contextmanager
def _tidy_when_ended() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into `SystemExit`, so that temporary files are removed.

    Ignored signals, as under `nohup`, stay ignored. Verbs with their own shutdown replace the handlers.
    """

    def end(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    names = ("SIGTERM", "SIGHUP")  # Windows has only the first
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    try:
        caught = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
        for number in caught:
            signal.signal(number, end)
    except ValueError:  # not in the main thread
        caught = []
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


def _out_of_memory(error: Exception, verb: str) -> OnarError | None:
    """Advice where memory ran out; None for another error, and for one with its own advice."""
    if isinstance(error, OutOfMemoryError) or "not enough memory" in str(error) or not is_out_of_memory(error):
        return None
    advice = _SAVES_MEMORY.get(verb, "end other programs, or raise the memory limit")
    return OutOfMemoryError(f"not enough memory: {advice}")


def _external_cause(error: Exception, verb: str) -> str:
    """The missing package, or the file that the system refuses; empty for an error in Onar itself."""
    if isinstance(error, ModuleNotFoundError) and (advice := extra_for_training(error)):
        return f"{verb} needs {advice}"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{printable(error.filename)}: {error.strerror}"
    return ""


def _describe_misuse(error: CycloptsError) -> str:
    """The flag that is wrong, and the values that it takes; in cyclopts' words where these name the flag."""
    if isinstance(error, UnknownOptionError):
        name = (error.token.keyword or "").lstrip("-").replace("-", "_")
        if name in RENAMED:
            return f"--{name} is now --{RENAMED[name]}"
    if isinstance(error.__cause__, UsageError):
        return _with_flags(error.__cause__)
    argument, text = error.argument, str(error)
    if argument is None:
        return text
    name, count = argument.field_info.name, argument.token_count()[0]
    flag, hint = f"--{name}", argument.field_info.annotation
    if isinstance(error, ValidationError) and describe_range(hint):
        return out_of_range(name, hint, argument.value).as_flags()
    if isinstance(error, MissingArgumentError) and error.keyword is not None:
        values = "a value" if count == 1 else f"{count} values after the one flag"
        return f"{flag} takes {values}: {flag}{count * ' VALUE'}"
    return text if any(part in text for part in (flag, *argument.names, f"[{name}]")) else f"{flag}: {text}"


def _with_flags(error: Exception) -> str:
    """The message of an error; fields of settings are written as flags."""
    return error.as_flags() if isinstance(error, OnarError) else str(error)


def _report(error: Exception, code: int, debug: bool, prefix: str = "") -> int:
    if debug:
        traceback.print_exc()
    line = " ".join(_with_flags(error).split()) or type(error).__name__
    print(f"onar: {translate_message(prefix + line)}", file=sys.stderr)
    return code
