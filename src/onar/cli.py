"""The `onar` command: its verbs in the order of `--help`, and the options of all."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter
from cyclopts.config import Dict

from onar.commands.filling import complete, evaluate, find, serve
from onar.commands.training import blend, check, colours, demo, finder, init, masks, train
from onar.commands.weights import convert, export, weights_app
from onar.launch import Command, convert_tokens, run
from onar.settings.checks import read_toml
from onar.settings.recipes import recipe_file
from onar.settings.training import MaskConfig, TrainConfig
from onar.system.devices import collect_less

_TRAINING_ONLY = (
    {field.name for field in fields(TrainConfig)} - {field.name for field in fields(MaskConfig)} - {"img_size", "seed"}
)

app = Command(
    name="onar",
    help="Train a partial-convolution inpainting network on your photos, and fill holes in photos with it.\n\n"
    "In mask files white is the hole, black is kept.",
    # name_transform: flags are written as the settings, with _
    default_parameter=Parameter(negative_iterable=(), converter=convert_tokens, name_transform=str),
    version=lambda: _version(),
    suppress_keyboard_interrupt=False,  # `run` reports what an interrupted training saved
)


VERBS = {
    "Fill holes": (complete, find, serve),
    "Train": (train, init, check, masks, evaluate, demo, blend, colours, finder),
    "Weights": (weights_app, export, convert),
}
"""The verbs by their heading in `--help`, in its order."""

for _number, (_heading, _verbs) in enumerate(VERBS.items()):
    _group = Group(_heading, sort_key=_number)
    for _place, _verb in enumerate(_verbs):
        app.command(_verb)
        _command = _verb if isinstance(_verb, Command) else app[_verb.__name__]
        _command.group, _command.sort_key = _group, _place

app.meta.suppress_keyboard_interrupt = False

_GENERAL = Group("General", sort_key=100)
for _flag in ("--help", "--version"):
    app[_flag].group = _GENERAL


@app.meta.default
def _launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[Path | None, Parameter(group=_GENERAL)] = None,
    debug: Annotated[bool, Parameter(group=_GENERAL)] = False,
) -> None:
    """Run a verb.

    Args:
        *tokens: The verb and its arguments.
        config: TOML file with any settings of the verb, or the name of a recipe for `train`: bundled, gpu-8gb, guide,
            laptop or paper. Flags override it.
        debug: Show the traceback of errors.
    """
    app.config = ()  # reset the earlier call
    if config is not None:
        config = recipe_file(config)
        values = read_toml(config)
        if tokens[:1] == ("masks",):  # a training recipe includes the settings of masks
            values = {key: value for key, value in values.items() if key not in _TRAINING_ONLY}
        app.config = (Dict(values, use_commands_as_keys=False, source=str(config)),)
    # A single hyphen, which means standard input, would be parsed as an option.
    tokens = tuple(os.path.join(".", token) if token == "-" else token for token in tokens)
    app(tokens, exit_on_error=False, print_error=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; by default, the arguments of the process."""
    if arguments is None:
        collect_less()
    run(app.meta, app, sys.argv[1:] if arguments is None else arguments)


def _version() -> str:
    from importlib.metadata import version

    return version("onar")


if __name__ == "__main__":
    main()
