"""The object in a rough lasso: GrabCut on the lasso's surroundings at a bounded size.

Rother, Kolmogorov and Blake, "GrabCut": Interactive foreground extraction using iterated graph cuts, 2004. Outside of
the lasso is background; inside, colours and edges decide. The page without a server does the same in
`web/src/engine/browser/outline.ts`, with histograms as colour models.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.masks.holes import Holes

MAX_CELLS = 60_000
"""Maximum number of pixels that are cut; larger surroundings are reduced, so that the time is bounded."""
MARGIN = 0.15
"""Margin round the lasso, as a share of its longer side: the colours of the background."""
MIN_MARGIN = 8
"""Minimum margin in pixels."""
ROUNDS = 4
"""How often colour models and cut follow each other."""
SPECK = 0.02
"""Parts of an outline that are smaller than this share of its largest part are left out."""
MIN_SHARE = 0.005
"""An object that covers less of the lasso is none."""


def outline_object(photo: NDArray[np.uint8], lasso: Holes, top: int = 0, left: int = 0) -> Holes:
    """The pixels of the object in a lasso, with its rim; all are in the lasso, and none where no object is found.

    Args:
        photo: uint8 H×W or H×W×3.
        lasso: bool, of a rectangle on the photo.
        top: the rectangle's first row.
        left: its first column.

    >>> photo = np.full((60, 60, 3), 200, np.uint8)
    >>> photo[20:40, 20:40] = (30, 60, 200)
    >>> np.argwhere(outline_object(photo, np.ones((40, 40), bool), top=10, left=10)).min(axis=0).tolist()
    [9, 9]
    """
    rows, columns, margin = *lasso.shape, max(MIN_MARGIN, round(MARGIN * max(lasso.shape)))
    above, before = min(top, margin), min(left, margin)
    around = photo[top - above : top + rows + margin, left - before : left + columns + margin]
    inside = np.zeros(around.shape[:2], bool)
    inside[above : above + rows, before : before + columns] = lasso
    colours = around if around.ndim == 3 else np.repeat(around[..., None], 3, axis=2)
    return _outline(colours, inside)[above : above + rows, before : before + columns]


def _outline(photo: NDArray[np.uint8], lasso: Holes) -> Holes:
    """As `outline_object`, of a lasso with its surroundings; H×W×3 and H×W."""
    height, width = lasso.shape
    scale = min(1.0, math.sqrt(MAX_CELLS / lasso.size))
    size = max(1, round(scale * width)), max(1, round(scale * height))
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(lasso.astype(np.float32), size, interpolation=cv2.INTER_AREA) >= 0.5
    if not inside.any() or inside.all():
        return np.zeros_like(lasso)
    found = _with_rim(_solid(_cut(np.asarray(small, np.uint8), inside)))
    if np.count_nonzero(found & inside) < MIN_SHARE * np.count_nonzero(inside):
        return np.zeros_like(lasso)
    enlarged = cv2.resize(found.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray((enlarged >= 0.5) & lasso, bool)


def _cut(photo: NDArray[np.uint8], inside: Holes) -> Holes:
    labels = np.where(inside, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    try:
        cv2.grabCut(np.ascontiguousarray(photo), labels, (0, 0, 0, 0), *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
    except cv2.error:  # fewer colours than its models need
        return np.zeros_like(inside)
    return np.asarray(labels == cv2.GC_PR_FGD)


def _solid(found: Holes) -> Holes:
    """The larger parts, without holes in them: what is enclosed goes with its object."""
    contours, _ = cv2.findContours(found.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(found.shape, np.uint8)
    areas = [cv2.contourArea(contour) + len(contour) for contour in contours]
    large = [contour for contour, area in zip(contours, areas, strict=True) if area >= SPECK * max(areas)]
    return np.asarray(cv2.drawContours(filled, large, -1, 1, cv2.FILLED) > 0)


def _with_rim(found: Holes) -> Holes:
    """With one more pixel on all sides: the rim of an object has colours of both."""
    return np.asarray(cv2.dilate(found.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
