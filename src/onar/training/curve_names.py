"""Names and order of the curves: each logged loss and score has one, and the known ones come first."""

from __future__ import annotations

from collections.abc import Iterable

LOSSES = ("D_loss", "G_loss", "Content_loss", "Adv_loss", "Pixel_loss")
"""The losses of every training of a generator, first in all lists."""

ENDINGS = ("_loss", "_error")
"""Endings of the numbers in a record that are drawn as losses."""

SCORE_TITLES = {
    "psnr": "PSNR (dB)",
    "psnr_hole": "PSNR in holes (dB)",
    "ssim": "SSIM",
    "ssim_hole": "SSIM in holes",
    "l1": "L1",
    "l1_hole": "L1 in holes",
}
"""Validation scores in the order of their curves; one without a title has its name."""

LOWER_IS_BETTER = frozenset({"l1", "l1_hole"})


def loss_names(names: Iterable[str]) -> list[str]:
    """The losses among some names: `LOSSES` first.

    >>> loss_names(["step", "Style_loss", "G_loss"])
    ['G_loss', 'Style_loss']
    """
    return _known_first((name for name in names if name.endswith(ENDINGS)), LOSSES)


def score_names(names: Iterable[str]) -> list[str]:
    """Scores in the order of their curves: those of `SCORE_TITLES` first.

    >>> score_names({"lpips", "ssim", "psnr"})
    ['psnr', 'ssim', 'lpips']
    """
    return _known_first(names, SCORE_TITLES)


def _known_first(names: Iterable[str], known: Iterable[str]) -> list[str]:
    found = set(names)
    first = [name for name in known if name in found]
    return first + sorted(found.difference(first))
