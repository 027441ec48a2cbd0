"""Mask types and defaults of generated masks; a module of their own, because settings load without OpenCV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

MASK_TYPES = {
    "irregular": "strokes",
    "rectangle": "rectangles",
    "mixed": "strokes and rectangles",
    "object": "outlines of things and people",
}
"""Mask types by name, with what they draw. `draw_NAME` in `onar.masks.shapes` draws one shape of a type."""

if TYPE_CHECKING:
    MaskType: TypeAlias = str
else:
    MaskType = Literal[tuple(MASK_TYPES)]
"""The names, as the type of a setting."""

MASK_TYPE_HELP = "Kind of generated holes: " + ", ".join(f"{name} ({shapes})" for name, shapes in MASK_TYPES.items())

MAX_MASKS = 3
"""Maximum number of shapes in one photo."""

MAX_SIZE_RATIO = 0.3
"""Maximum side of a rectangle, or of one segment of a stroke, as a share of the photo's side."""

MAX_THICKNESS = 20
"""Maximum thickness of strokes, in pixels of a photo whose shorter side is 512."""
