"""A fingerprint of the inputs of a result: another photo, mask, network or setting gives another one."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from onar.completion.config import CompletionConfig
from onar.completion.results import Work
from onar.imaging.images import map_photo_errors
from onar.inference.inpainter import Inpainter

_BYTES = 12


def made_of(work: Work, inpainter: Inpainter, config: CompletionConfig) -> str:
    """A hash of the photo's file, its holes, the weights by description and size, and the settings of the fill."""
    with map_photo_errors(work.job.photo), work.job.photo.open("rb") as file:
        content = blake2b(file.read()).digest()
    weights = inpainter.weights
    size = weights.stat().st_size if weights else 0
    hole = work.masked.hole
    text = repr((hole.shape, work.job.kind, inpainter.description, size, sorted(config.keywords().items())))
    return blake2b(content + np.packbits(hole).tobytes() + text.encode(), digest_size=_BYTES).hexdigest()
