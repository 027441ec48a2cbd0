"""Train a blend of a network's fill with texture from the photo: `train_blend(BlendConfig(data="./photos"))`."""

from __future__ import annotations

from pathlib import Path

from onar.training.blend.config import BlendConfig
from onar.training.blend.task import BlendTask
from onar.training.fit import fit
from onar.training.results_folder import Results


def train_blend(config: BlendConfig) -> Path:
    """Make pairs of fills from photos, where they are not made yet, and train a blend on them.

    Args:
        config: everything it depends on; the same settings and pairs give the same weights (on the CPU, bit for bit).

    Returns:
        The path of the file that `Inpainter.load` takes as `blend`.

    Raises:
        OnarError: no usable photo, weights, content network or device, PatchMatch is missing, a loss is not finite,
            memory ran out, or a file cannot be written.
        KeyboardInterrupt: Ctrl-C; the state is saved, and the same call goes on with it.
    """
    fit(BlendTask(config), config, Results(config.results))
    return config.output
