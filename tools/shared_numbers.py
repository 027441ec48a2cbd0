"""Numbers and names that the page and its engine read from Python: thresholds, limits, mask types, titles of scores.

`python -m tools.shared_numbers` writes `web/src/shared.json`; tests compare it with the package.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from onar.fills import pyramid
from onar.finding import damage
from onar.finding.config import FindOptions
from onar.finding.kinds import KINDS
from onar.imaging import decoding, grey
from onar.imaging.formats import jpeg
from onar.inference import backends, detail, extending, holes, rules, steps, texture, window_plan
from onar.masks import defaults, outline
from onar.masks import holes as masks
from onar.metrics.table import METRICS, OTHER_TITLES, title_of
from onar.serve.editor import tasks
from onar.serve.masks import routes

SHARED = Path(__file__).parents[1] / "web" / "src" / "shared.json"

CONSTANTS: Mapping[str, tuple[ModuleType, str]] = {
    "plan": (window_plan, "MAX_GROUPS BLOCK"),
    "canvas": (steps, "TILE TILE_MARGIN TILE_COST"),
    "texture": (texture, "FINE_COST COARSE_COST DETAIL_COST BLEND_COST"),
    "detail": (detail, "RADIUS SPACING MAX_SOURCES COHERENCE DESCRIPTOR_LENGTH"),
    "pyramid": (pyramid, "SMOOTHING_STEPS"),
    "visible": (holes, "MAX_CONTEXT"),
    "extending": (extending, "MUCH"),
    "grey": (grey, "GREY_LEVELS"),
    "networks": (backends, "BLEND_MULTIPLE"),
    "jpeg": (jpeg, "MAX_SCANS"),
    "view": (tasks, "VIEW_SIZE"),
    "masks": (masks, "THRESHOLD MANY_HOLES"),
    "outline": (outline, "MAX_CELLS MARGIN MIN_MARGIN ROUNDS SPECK MIN_SHARE"),
    "mask_files": (decoding, "GREY_SPREAD COLOURED_SHARE"),
    "finding": (damage, "MULTIPLE SIDE MARGIN MIN_HALVED HALF_ODDS STEEPNESS"),
    "mask_settings": (defaults, "MASK_TYPES MAX_MASKS MAX_SIZE_RATIO MAX_THICKNESS"),
    "mask_samples": (routes, "MIN_SIZE_RATIO MAX_HOLE_RATIO"),
}
"""Modules and names of the constants in them."""


def shared() -> dict[str, Any]:
    """Everything that `web/src/shared.json` holds."""
    rule_names = " ".join(name for name in vars(rules) if name.isupper())
    sections = {"rules": (rules, rule_names), **CONSTANTS}
    constants = {
        section: {name: getattr(module, name) for name in names.split()}
        for section, (module, names) in sections.items()
    }
    constants["finding"] = {**constants["finding"], "MAX_SHARE": FindOptions.max_share}
    kinds = {name: {"channel": kind.channel, "grow": kind.grow} for name, kind in KINDS.items()}
    return {**constants, "kinds": kinds, "titles": {name: title_of(name) for name in (*METRICS, *OTHER_TITLES)}}


def as_text() -> str:
    """The text of the file."""
    return json.dumps(shared(), indent=2) + "\n"


if __name__ == "__main__":
    SHARED.write_text(as_text(), encoding="utf-8")
