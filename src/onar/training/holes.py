"""The two kinds of holes that blends and colour predictors learn from, as arguments of `random_mask`."""

from __future__ import annotations

from typing import Any

IRREGULAR: dict[str, Any] = {"mask_type": "irregular", "hole_ratio": (0.03, 0.7)}
OBJECT: dict[str, Any] = {"mask_type": "object", "hole_ratio": (0.02, 0.13), "max_size_ratio": 0.55}
