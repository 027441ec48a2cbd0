"""Train a low-resolution colour predictor: `train_colours(ColourConfig(data="./photos"))`."""

from __future__ import annotations

from pathlib import Path

from onar.training.colours.config import ColourConfig
from onar.training.colours.task import ColourTask
from onar.training.fit import fit
from onar.training.results_folder import Results


def train_colours(config: ColourConfig) -> Path:
    """Train a low-resolution colour predictor, and put it into weights.

    Args:
        config: everything it depends on; the same settings and photos give the same weights (on the CPU, bit for bit).

    Returns:
        The path of the file: the weights that were given, with the predictor.

    Raises:
        OnarError: no usable photo, weights or device, a loss is not finite, memory ran out, or a file cannot be
            written.
        KeyboardInterrupt: Ctrl-C; the state is saved, and the same call goes on with it.
    """
    fit(ColourTask(config), config, Results(config.results))
    return config.output
