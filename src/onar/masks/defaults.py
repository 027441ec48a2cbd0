"""How large generated holes are unless somebody says otherwise; here, because settings must load without OpenCV."""

MAX_MASKS = 3
"""Most strokes or rectangles in one photo."""

MAX_SIZE_RATIO = 0.3
"""Longest side of a rectangle, or of one segment of a stroke, as a share of the photo's side."""

MAX_THICKNESS = 20
"""Thickest stroke, in pixels of a photo whose shorter side is 512."""
