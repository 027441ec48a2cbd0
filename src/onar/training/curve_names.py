"""Names and order of the losses in logs and curves."""

from __future__ import annotations

from collections.abc import Iterable

LOSSES = ("D_loss", "G_loss", "Content_loss", "Adv_loss", "Pixel_loss")
"""The losses of every training of a generator, first in all lists."""

ENDINGS = ("_loss", "_error")  # endings of the numbers in a record that are drawn as losses


def loss_names(names: Iterable[str]) -> list[str]:
    """The losses among some names: `LOSSES` first.

    >>> loss_names(["step", "Style_loss", "G_loss"])
    ['G_loss', 'Style_loss']
    """
    found = {name for name in names if name.endswith(ENDINGS)}
    return [name for name in LOSSES if name in found] + sorted(found.difference(LOSSES))
