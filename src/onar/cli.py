"""The `onar` command: its verbs in the order of `--help`, and the options of all."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from onar.launch import Command, convert_tokens, run
from onar.system.devices import collect_less

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
    "Fill holes": ("filling:complete", "filling:find", "serving:serve"),
    "Train": (
        *("training:train", "training:init", "training:check", "training:masks", "scoring:evaluate"),
        *("training:demo", "training:blend", "training:colours", "training:finder"),
    ),
    "Weights": ("weights:weights", "weights:export", "weights:convert"),
}
"""The verbs by their heading in `--help`, in its order: module of `commands` and function. Only the one that runs is
imported: the settings of all take as long as the network of a small photo."""

for _number, (_heading, _verbs) in enumerate(VERBS.items()):
    _group = Group(_heading, sort_key=_number)
    for _place, _verb in enumerate(_verbs):
        app.command(f"onar.commands.{_verb}", group=_group, sort_key=_place)

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
        config, values = _read_config(config, tokens[:1])
        from cyclopts.config import Dict

        app.config = (Dict(values, use_commands_as_keys=False, source=str(config)),)
    # A single hyphen, which means standard input, would be parsed as an option.
    tokens = tuple(os.path.join(".", token) if token == "-" else token for token in tokens)
    app(tokens, exit_on_error=False, print_error=False)


def _read_config(config: Path, verb: tuple[str, ...]) -> tuple[Path, dict[str, Any]]:
    """The file of a recipe or a path, and its settings; for `masks`, without those that only a training has."""
    from onar.settings.checks import read_toml
    from onar.settings.recipes import recipe_file

    file = recipe_file(config)
    values = read_toml(file)
    if verb == ("masks",):
        from onar.settings.training import MaskConfig, TrainConfig

        masks, training = ({field.name for field in fields(settings)} for settings in (MaskConfig, TrainConfig))
        values = {name: value for name, value in values.items() if name not in training - masks - {"img_size", "seed"}}
    return file, values


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
