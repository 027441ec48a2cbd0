"""The registry of all kinds of damage."""

from __future__ import annotations

from dataclasses import dataclass

from onar.data.damage import lines, reserved, spots
from onar.data.damage.marks import DrawMark

SCRATCHES, DUST = 0, 1
CHANNELS = ("scratches", "dust")
"""Names of the channels of a truth, in their order."""


@dataclass(frozen=True)
class DamageKind:
    """One kind of damage."""

    draw: DrawMark
    channel: int
    most: int = 6
    """Marks in one crop at most."""
    is_reserved: bool = False
    """Never drawn in training: finding is scored on it."""


KINDS = {
    "scratch": DamageKind(lines.draw_scratch, SCRATCHES, 7),
    "hair": DamageKind(lines.draw_hair, SCRATCHES, 4),
    "fibre": DamageKind(lines.draw_fibre, SCRATCHES, 6),
    "crack": DamageKind(lines.draw_crack, SCRATCHES, 3),
    "crease": DamageKind(lines.draw_crease, SCRATCHES, 2),
    "fold": DamageKind(lines.draw_fold, SCRATCHES, 1),
    "speck": DamageKind(spots.draw_speck, DUST, 14),
    "dust": DamageKind(spots.draw_dust, DUST, 3),
    "blotch": DamageKind(spots.draw_blotch, DUST, 4),
    "torn_rim": DamageKind(spots.draw_torn_rim, DUST, 1),
    "arc": DamageKind(reserved.draw_arc, SCRATCHES, 5, is_reserved=True),
    "dashes": DamageKind(reserved.draw_dashes, SCRATCHES, 4, is_reserved=True),
    "wave": DamageKind(reserved.draw_wave, SCRATCHES, 4, is_reserved=True),
    "loop": DamageKind(reserved.draw_loop, SCRATCHES, 5, is_reserved=True),
    "craquelure": DamageKind(reserved.draw_craquelure, SCRATCHES, 2, is_reserved=True),
    "zigzag": DamageKind(reserved.draw_zigzag, SCRATCHES, 2, is_reserved=True),
    "flake": DamageKind(reserved.draw_flake, DUST, 4, is_reserved=True),
    "grit": DamageKind(reserved.draw_grit, DUST, 3, is_reserved=True),
    "cells": DamageKind(reserved.draw_cells, DUST, 3, is_reserved=True),
    "drop": DamageKind(reserved.draw_drop, DUST, 3, is_reserved=True),
    "sawtooth_rim": DamageKind(reserved.draw_sawtooth_rim, DUST, 1, is_reserved=True),
}

TRAINED = {name: kind for name, kind in KINDS.items() if not kind.is_reserved}
RESERVED = {name: kind for name, kind in KINDS.items() if kind.is_reserved}
