"""The registry of all kinds of damage."""

from __future__ import annotations

from dataclasses import dataclass

from onar.data.damage import lines, reserved, spots
from onar.data.damage.marks import DrawMark

SCRATCHES, DUST = 0, 1
CHANNELS = ("scratches", "dust")
"""Names of the channels of a truth, in their order."""


@dataclass(frozen=True)
class Kind:
    """One kind of damage."""

    draw: DrawMark
    channel: int
    most: int = 6
    """Marks in one crop at most."""
    is_reserved: bool = False
    """Never drawn in training: finding is scored on it."""


KINDS = {
    "scratch": Kind(lines.draw_scratch, SCRATCHES, 7),
    "hair": Kind(lines.draw_hair, SCRATCHES, 4),
    "fibre": Kind(lines.draw_fibre, SCRATCHES, 6),
    "crack": Kind(lines.draw_crack, SCRATCHES, 3),
    "crease": Kind(lines.draw_crease, SCRATCHES, 2),
    "fold": Kind(lines.draw_fold, SCRATCHES, 1),
    "speck": Kind(spots.draw_speck, DUST, 14),
    "dust": Kind(spots.draw_dust, DUST, 3),
    "blotch": Kind(spots.draw_blotch, DUST, 4),
    "torn_rim": Kind(spots.draw_torn_rim, DUST, 1),
    "arc": Kind(reserved.draw_arc, SCRATCHES, 5, is_reserved=True),
    "dashes": Kind(reserved.draw_dashes, SCRATCHES, 4, is_reserved=True),
    "wave": Kind(reserved.draw_wave, SCRATCHES, 4, is_reserved=True),
    "loop": Kind(reserved.draw_loop, SCRATCHES, 5, is_reserved=True),
    "craquelure": Kind(reserved.draw_craquelure, SCRATCHES, 2, is_reserved=True),
    "zigzag": Kind(reserved.draw_zigzag, SCRATCHES, 2, is_reserved=True),
    "flake": Kind(reserved.draw_flake, DUST, 4, is_reserved=True),
    "grit": Kind(reserved.draw_grit, DUST, 3, is_reserved=True),
    "cells": Kind(reserved.draw_cells, DUST, 3, is_reserved=True),
    "drop": Kind(reserved.draw_drop, DUST, 3, is_reserved=True),
    "sawtooth_rim": Kind(reserved.draw_sawtooth_rim, DUST, 1, is_reserved=True),
}

TRAINED = {name: kind for name, kind in KINDS.items() if not kind.is_reserved}
RESERVED = {name: kind for name, kind in KINDS.items() if kind.is_reserved}
