"""What happens to a photo before damage, and to photo and damage in a scan: fading, grain, blur, JPEG."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.data.damage.marks import Plane, blurred

RgbPhoto = NDArray[np.uint8]

GREY = np.array([0.299, 0.587, 0.114], np.float32)
SEPIA = np.array([1.07, 0.98, 0.82], np.float32)


def age(photo: RgbPhoto, rng: np.random.Generator) -> RgbPhoto:
    """An old photo: of colour, grey or sepia, perhaps faded, blurred, with grain, and saved as JPEG."""
    values = photo.astype(np.float32)
    kind = rng.random()
    if kind < 0.45:
        grey = values @ GREY
        tone = np.float32(1) if kind < 0.27 else 1 + (SEPIA - 1) * np.float32(rng.uniform(0.4, 1.6))
        values = np.asarray(grey[..., None] * (tone * np.ones(3, np.float32)), np.float32)
    if rng.random() < 0.4:
        values = _faded(values, rng)
    if rng.random() < 0.4:
        values = blurred(values, rng.uniform(0.4, 1.4))
    if rng.random() < 0.4:
        values = grainy(values, rng.uniform(1, 9), is_grey=bool(kind < 0.45 or rng.random() < 0.5), rng=rng)
    return _jpeg(_rounded(values), rng, 50, 96) if rng.random() < 0.5 else _rounded(values)


def scan(photo: RgbPhoto, rng: np.random.Generator) -> RgbPhoto:
    """The photo, damaged or not, as a scan: perhaps blurred, with noise, and saved as JPEG once or twice."""
    values = photo.astype(np.float32)
    if rng.random() < 0.35:
        values = blurred(values, rng.uniform(0.3, 0.8))
    if rng.random() < 0.2:
        values = np.asarray((values / 255) ** np.float32(rng.uniform(0.75, 1.3)) * 255, np.float32)
    if rng.random() < 0.35:
        values = grainy(values, rng.uniform(0.5, 5), is_grey=bool(rng.random() < 0.5), rng=rng)
    scanned = _rounded(values)
    for _ in range(int(rng.integers(0, 3))):
        scanned = _jpeg(scanned, rng, 60, 97)
    return scanned


def grainy(values: Plane, sigma: float, *, is_grey: bool, rng: np.random.Generator) -> Plane:
    """The photo with grain of that deviation in levels, fine or coarse."""
    noise = rng.standard_normal((*values.shape[:2], 1 if is_grey else 3), np.float32)
    if rng.random() < 0.4:
        noise = blurred(noise, 0.7).reshape(noise.shape) * np.float32(2.2)
    return values + noise * np.float32(sigma)


def _faded(values: Plane, rng: np.random.Generator) -> Plane:
    """Less contrast, and a cast."""
    low = rng.uniform(0, 60) + rng.normal(0, 8, 3)
    high = rng.uniform(180, 255) + rng.normal(0, 8, 3)
    return (values * ((high - low) / 255).astype(np.float32) + low.astype(np.float32)).astype(np.float32)


def _rounded(values: Plane) -> RgbPhoto:
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _jpeg(photo: RgbPhoto, rng: np.random.Generator, low: int, high: int) -> RgbPhoto:
    _, content = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(low, high))])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)
