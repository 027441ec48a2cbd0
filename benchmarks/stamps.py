"""Date stamps of cameras, drawn onto photos, with the pixels of their strokes: for tests and benchmarks of finding.

Film cameras exposed the date through seven-segment digits or a dot matrix of LEDs: orange to red, or yellow, with a
glow, in a corner. On a photo taken upright, it runs along a side.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

COLOURS = {
    "orange": (255, 140, 40),
    "red": (250, 60, 30),
    "amber": (255, 180, 50),
    "yellow": (255, 230, 90),
}
STYLES = ("segments", "dots")
CORNERS = ("bottom right", "bottom left", "top right", "top left")
OVERSAMPLING = 4
MIN_HEIGHT = 14.0
"""Of digits in pixels: smaller ones cannot be read."""

_SEGMENTS = {
    "0": "abcdef", "1": "bc", "2": "abged", "3": "abgcd", "4": "fgbc", "5": "afgcd", "6": "afgedc", "7": "abc",
    "8": "abcdefg", "9": "abcdfg", "-": "g", " ": "",
}  # fmt: skip
_DOTS = {
    "0": "01110 10001 10011 10101 11001 10001 01110", "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00110 01000 10000 11111", "3": "01110 10001 00001 00110 00001 10001 01110",
    "4": "00010 00110 01010 10010 11111 00010 00010", "5": "11111 10000 11110 00001 00001 10001 01110",
    "6": "00110 01000 10000 11110 10001 10001 01110", "7": "11111 00001 00010 00100 01000 01000 01000",
    "8": "01110 10001 10001 01110 10001 10001 01110", "9": "01110 10001 10001 01111 00001 00010 01100",
    "-": "00000 00000 00000 11111 00000 00000 00000", " ": "0 0 0 0 0 0 0",
    "'": "00100 00100 01000 00000 00000 00000 00000", ".": "00000 00000 00000 00000 00000 00000 00100",
    ":": "00000 00100 00000 00000 00100 00000 00000", "/": "00001 00001 00010 00100 01000 10000 10000",
}  # fmt: skip


@dataclass(frozen=True)
class Stamp:
    """A date stamp.

    Attributes:
        text: digits, spaces and ' . : - /.
        style: of `STYLES`, or the path of a font.
        colour: of `COLOURS`.
        height: of its digits, as a share of the photo's shorter side.
        corner: of `CORNERS`.
        turns: quarter turns of the finished photo, counterclockwise.
        opacity, glow, blur: of its light; the blur in pixels.
        thickness, slant: of segments, as shares of the height.
        quality: of the JPEG file that the photo then becomes.
    """

    text: str
    style: str = "segments"
    colour: str = "orange"
    height: float = 0.04
    corner: str = "bottom right"
    turns: int = 0
    opacity: float = 0.9
    glow: float = 0.4
    blur: float = 0.5
    thickness: float = 0.13
    slant: float = 0.1
    quality: int = 90


def random_stamp(rng: np.random.Generator) -> Stamp:
    """A stamp of random text, look and place."""
    year, month, day = rng.integers(80, 110) % 100, rng.integers(1, 13), rng.integers(1, 29)
    hour, minute = rng.integers(0, 24), rng.integers(0, 60)
    text = str(rng.choice([
        f"'{year:02} {month} {day}", f"{month} {day:2} '{year:02}", f"{day:02}.{month:02}.{year:02}",
        f"{year:02}-{month:02}-{day:02}", f"{day:2} {hour:02}:{minute:02}", f"20{year % 30:02}/{month:02}/{day:02}",
    ]))  # fmt: skip
    return Stamp(
        text,
        style=str(rng.choice(STYLES, p=[0.7, 0.3])),
        colour=str(rng.choice(list(COLOURS))),
        height=float(rng.uniform(0.025, 0.06)),
        corner=str(rng.choice(CORNERS, p=[0.6, 0.25, 0.1, 0.05])),
        turns=int(rng.choice([0, 1, 3], p=[0.6, 0.2, 0.2])),
        opacity=float(rng.uniform(0.75, 1)),
        glow=float(rng.uniform(0.1, 0.6)),
        blur=float(rng.uniform(0.3, 1)),
        thickness=float(rng.uniform(0.1, 0.17)),
        slant=float(rng.choice([0, 0.1, 0.17])),
        quality=int(rng.integers(70, 96)),
    )


def draw_stamp(photo: NDArray[np.uint8], stamp: Stamp) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Draw a stamp onto a photo, uint8 H×W×3; returns the photo, and the pixels of the strokes, bool H×W."""
    photo = np.rot90(photo, -stamp.turns)
    height, width = photo.shape[:2]
    size = max(MIN_HEIGHT, stamp.height * min(height, width))
    text = _fitting(stamp, size)
    coverage = np.zeros((height, width), np.float32)
    tall, wide = min(height, text.shape[0]), min(width, text.shape[1])
    margin = round(1.2 * size)
    top = margin if "top" in stamp.corner else height - margin - tall
    left = margin if "left" in stamp.corner else width - margin - wide
    top, left = (int(np.clip(at, 0, most)) for at, most in ((top, height - tall), (left, width - wide)))
    coverage[top : top + tall, left : left + wide] = text[:tall, :wide]
    strokes = coverage > 0.5
    coverage = cv2.GaussianBlur(coverage, (0, 0), stamp.blur)
    glow = cv2.GaussianBlur(coverage, (0, 0), 0.12 * size)
    light = stamp.opacity * np.clip(coverage + stamp.glow * glow * (1 - coverage), 0, 1)[..., None]
    stamped = photo * (1 - light) + np.array(COLOURS[stamp.colour], np.float32) * light
    turned = np.rot90(np.rint(stamped).astype(np.uint8), stamp.turns)
    return _through_jpeg(turned, stamp.quality), np.rot90(strokes, stamp.turns)


def _fitting(stamp: Stamp, size: float) -> NDArray[np.float32]:
    """Coverage of a stamp's text, its digits `size` pixels high."""
    large = _text(stamp, OVERSAMPLING * size)
    smaller = max(1, round(large.shape[1] / OVERSAMPLING)), max(1, round(large.shape[0] / OVERSAMPLING))
    return np.asarray(cv2.resize(large, smaller, interpolation=cv2.INTER_AREA), np.float32)


def _text(stamp: Stamp, size: float) -> NDArray[np.float32]:
    if stamp.style == "dots":
        return _dots(stamp.text, size)
    if stamp.style == "segments":
        return _segments(stamp, size)
    font = ImageFont.truetype(stamp.style, round(size))
    left, top, right, bottom = font.getbbox(stamp.text)
    picture = Image.new("L", (round(right - left) + 8, round(bottom - top) + 8))
    ImageDraw.Draw(picture).text((4 - left, 4 - top), stamp.text, 255, font)
    return np.asarray(picture, np.float32) / 255


def _dots(text: str, size: float) -> NDArray[np.float32]:
    step = size / 7
    canvas = np.zeros((round(size), round(6 * step * len(text)) + 1), np.float32)
    for number, letter in enumerate(text):
        for row, line in enumerate(_DOTS[letter].split()):
            for column in (at for at, dot in enumerate(line) if dot == "1"):
                centre = round((6 * number + column + 0.5) * step), round((row + 0.5) * step)
                cv2.circle(canvas, centre, max(1, round(0.5 * step)), 1.0, -1)
    return canvas


def _segments(stamp: Stamp, size: float) -> NDArray[np.float32]:
    thick, wide, gap = stamp.thickness * size, 0.55 * size, 0.02 * size
    places = {
        "a": (0, 0, wide, 0), "g": (0, 0.5, wide, 0.5), "d": (0, 1, wide, 1),
        "f": (0, 0, 0, 0.5), "b": (wide, 0, wide, 0.5), "e": (0, 0.5, 0, 1), "c": (wide, 0.5, wide, 1),
    }  # fmt: skip
    canvas = np.zeros((round(size + 2 * thick), round((wide + 3 * thick) * len(stamp.text) + size)), np.float32)
    left, tall = thick, size - thick
    for letter in stamp.text:
        if letter in "'.:/":
            marks = {"'": [0.1], ".": [1.0], ":": [0.3, 0.7], "/": [0.5]}[letter]
            for at in marks:
                stretch = (0.15 if letter == "'" else 0.4 if letter == "/" else 0) * tall
                low, high = thick + at * tall + stretch, thick + at * tall - stretch
                ends = np.array([[left, low], [left + stretch / 2, high]])
                cv2.line(canvas, *ends.round().astype(int).tolist(), 1.0, max(1, round(thick)))
            left += 0.3 * size + thick
            continue
        for name in _SEGMENTS[letter]:
            x0, y0, x1, y1 = places[name]
            start = np.array([left + x0, thick + y0 * tall])
            end = np.array([left + x1, thick + y1 * tall])
            along = (end - start) / np.linalg.norm(end - start)
            start, end = start + along * (gap + thick / 2), end - along * (gap + thick / 2)
            across = np.array([-along[1], along[0]]) * thick / 2
            tip = along * thick / 2
            shape = np.array([start - tip, start + across, end + across, end + tip, end - across, start - across])
            cv2.fillPoly(canvas, [shape.round().astype(np.int32)], 1.0)
        left += wide + 2.2 * thick
    slanted = np.array([[1, -stamp.slant, stamp.slant * size], [0, 1, 0]], np.float32)
    canvas = cv2.warpAffine(canvas, slanted, (canvas.shape[1], canvas.shape[0]))
    used = np.flatnonzero(canvas.any(axis=0))
    return canvas[:, used[0] : used[-1] + 1]


def _through_jpeg(photo: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(photo)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))
