"""ONNX files with the inputs and outputs of public inpainting networks, and a fill whose right answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

_BODY = """
  zero = Constant <value_float = 0.0> ()
  one = Constant <value_float = 1.0> ()
  half = Constant <value_float = 0.5> ()
  two = Constant <value_float = 2.0> ()
  white = Constant <value_float = 255.0> ()
  mix = Constant <value_float = {mix}> ()
  sides = Constant <value_ints = [2, 3]> ()
  {prepare}
  seen = Mul (photo, known)
  total = ReduceSum (seen, sides)
  count = ReduceSum (known, sides)
  mean = Div (total, count)
  hole = Sub (one, known)
  own = Sub (one, mix)
  drawn = Mul (mean, own)
  seen_in_hole = Mul (photo, mix)
  mixed = Add (drawn, seen_in_hole)
  fill = Mul (mixed, hole)
  completed = Add (seen, fill)
  {answer}
"""

_STACKED = """
  starts = Constant <value_ints = [{start}]> ()
  ends = Constant <value_ints = [{end}]> ()
  mask_start = Constant <value_ints = [{mask}]> ()
  mask_end = Constant <value_ints = [{mask_end}]> ()
  channels = Constant <value_ints = [1]> ()
  image = Slice (input, starts, ends, channels)
  mask = Slice (input, mask_start, mask_end, channels)
"""

_PHOTO_FIRST = _STACKED.format(start=0, end=3, mask=3, mask_end=4)
_MASK_FIRST = _STACKED.format(start=1, end=4, mask=0, mask_end=1)

_HOLE_IS_ONE = "photo = Identity (image)\n known = Sub (one, mask)"

KINDS = {
    "lama": ("float", ("image", "mask"), _HOLE_IS_ONE, "output = Mul (completed, white)"),
    "lama_unit": ("float", ("image", "mask"), _HOLE_IS_ONE, "output = Identity (completed)"),
    "lama_stacked": ("float", ("input",), _PHOTO_FIRST + _HOLE_IS_ONE, "output = Identity (completed)"),
    "migan": (
        "uint8",
        ("image", "mask"),
        "floats = Cast <to = 1> (image)\n photo = Div (floats, white)\n"
        "mask_floats = Cast <to = 1> (mask)\n known = Div (mask_floats, white)",
        "scaled = Mul (completed, white)\n rounded = Round (scaled)\n output = Cast <to = 2> (rounded)",
    ),
    "migan_generator": (
        "float",
        ("input",),
        _MASK_FIRST + "known = Add (mask, half)\n halved = Div (image, two)\n photo = Add (halved, half)",
        "doubled = Mul (completed, two)\n output = Sub (doubled, one)",
    ),
}
"""Name in `NETWORKS` -> type, inputs, the photo in [0, 1] and known = 1 of the inputs, and the output of the fill."""


def write_network(
    path: Path, kind: str, size: int | None = 512, *, polarity: str = "", scale: float = 1.0, mix: float = 0.0
) -> Path:
    """Write a network that fills holes with the mean of the known pixels of each channel.

    Args:
        path: the file.
        kind: of `KINDS`.
        size: side in pixels of what it takes; None for any.
        polarity: "wrong" for one that takes hole for known.
        scale: factor on the output.
        mix: share in the fill of what the photo has in the hole.
    """
    type_, inputs, prepare, answer = KINDS[kind]
    if polarity == "wrong":
        prepare = prepare.replace("known = ", "inverted = ") + "\n known = Sub (one, inverted)"
    if scale != 1.0:
        prepare += f"\n factor = Constant <value_float = {scale}> ()"
        answer = "factored = Mul (completed, factor)\n" + answer.replace("completed", "factored")
    side = size or "H", size or "W"
    channels = {"image": 3, "mask": 1, "input": 4}
    given = ", ".join(f"{type_}[1, {channels[name]}, {side[0]}, {side[1]}] {name}" for name in inputs)
    body = _BODY.format(prepare=prepare, answer=answer, mix=mix)
    header = '<ir_version: 8, opset_import: ["" : 17]>'
    text = f"{header}\nnetwork ({given}) => ({type_}[1, 3, {side[0]}, {side[1]}] output) {{{body}}}"
    onnx.save(onnx.parser.parse_model(text), path)
    return path


def mean_fill(photo: NDArray[np.uint8], hole: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The fill of these networks for holes of a photo H×W×3: three values from 0 to 255."""
    return np.asarray(photo[~hole].mean(axis=0), np.float64)
