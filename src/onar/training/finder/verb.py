"""Train a network that finds scratches and dust: `train_finder(FinderConfig(data="./photos"))`."""

from __future__ import annotations

from pathlib import Path

from onar.training.finder.config import FinderConfig
from onar.training.finder.task import FinderTask
from onar.training.fit import fit
from onar.training.results_folder import Results


def train_finder(config: FinderConfig) -> Path:
    """Train a damage finder on photos, onto which damage is drawn.

    Args:
        config: everything it depends on; the same settings and photos give the same weights (on the CPU, bit for bit).

    Returns:
        The path of the ONNX file.

    Raises:
        OnarError: no usable photo or device, a loss is not finite, memory ran out, or a file cannot be written.
        KeyboardInterrupt: Ctrl-C; the state is saved, and the same call goes on with it.
    """
    fit(FinderTask(config), config, Results(config.results))
    return config.output
