"""Recipes, TOML files of settings that come with Onar, and the script of the training guide."""

from __future__ import annotations

from pathlib import Path

from onar.errors import FieldError, OnarError, UsageError
from onar.system.files import write_text

_ASSETS = Path(__file__).parents[1] / "assets"
SCRIPT = _ASSETS / "model_script.py"
"""A training with its settings as constants, as in the guide."""


def recipes() -> dict[str, Path]:
    """The recipes that come with Onar, by name.

    >>> recipes()["laptop"].name
    'laptop.toml'
    """
    return {path.stem: path for path in sorted((_ASSETS / "recipes").glob("*.toml"))}


def recipe_file(recipe: Path | str) -> Path:
    """The file that a recipe's path or name means; a file that is there wins over a name.

    Raises:
        UsageError: there is neither.
    """
    path = Path(recipe)
    if path.exists() and not path.is_dir():  # it may be a pipe
        return path
    if (bundled := recipes().get(str(recipe))) is not None:
        return bundled
    raise UsageError(f"no such file: {recipe}; the recipes that come with Onar are {', '.join(recipes())}")


def write_start(folder: Path, recipe: str | None = None, *, overwrite: bool = False) -> list[Path]:
    """Write the guide's script, and a copy of a recipe where one is named, into a folder; returns their paths.

    Raises:
        FieldError: there is no recipe of that name.
        OnarError: a file of that name is there, or cannot be written.
    """
    if recipe is not None and recipe not in recipes():
        raise FieldError("recipe", f"is one of {', '.join(recipes())}, not {recipe!r}")
    sources = [SCRIPT, *([recipes()[recipe]] if recipe else [])]
    outputs = [folder / source.name for source in sources]
    for output in outputs:
        if output.exists() and not overwrite:
            raise OnarError(f"{output} is there already: name another folder, or replace it with `overwrite`")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OnarError(f"cannot make the folder {folder}: {error.strerror}") from error
    for source, output in zip(sources, outputs, strict=True):
        write_text(output, source.read_text(encoding="utf-8"))
    return outputs
