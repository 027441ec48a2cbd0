"""Make the pictures of the README, the model card and docs/complete.md that show what the bundled weights fill.

python -m tools.pictures.fills

Look at what came out before it is committed: nothing is chosen or retouched.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from onar import Inpainter
from onar.imaging.sheets import Picture, picture_grid
from onar.weights.bundled import bundled_photos

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
CELL = 264, 175
"""Width and height of a picture on the model card's sheet."""
QUALITY = 88


def draw_scratches(draw: ImageDraw.ImageDraw, width: int, height: int) -> None:
    """Lines from the upper to the lower edge, of one to four pixels."""
    rng = np.random.default_rng(width + height)
    for thickness in range(1, 5):
        bends = int(rng.integers(4, 7))
        columns = rng.uniform(0.1, 0.9) * width + rng.normal(0, 0.05 * width, bends)
        draw.line(list(zip(columns, np.linspace(0, height, bends), strict=True)), "white", thickness)


def draw_stamp(draw: ImageDraw.ImageDraw, width: int, height: int) -> None:
    """A date in the lower right corner, as cameras printed it."""
    font = ImageFont.load_default(0.07 * height)
    draw.text((0.72 * width, 0.85 * height), "12 07 '98", "white", font, stroke_width=1)


def draw_person(draw: ImageDraw.ImageDraw, width: int, height: int) -> None:
    """A head and a body, half as high as the photo and more."""
    middle, side = 0.58 * width, height / 15
    draw.ellipse((middle - side, 0.3 * height, middle + side, 0.3 * height + 2 * side), "white")
    draw.ellipse((middle - 1.6 * side, 0.4 * height, middle + 1.6 * side, 0.95 * height), "white")


def draw_torn(draw: ImageDraw.ImageDraw, width: int, height: int) -> None:
    """The upper left corner, torn off."""
    edge = ((0.4, 0), (0.33, 0.11), (0.27, 0.15), (0.24, 0.27), (0.12, 0.46), (0.05, 0.52), (0, 0.72))
    draw.polygon([(0, 0), *((x * width, y * height) for x, y in edge)], "white")


def draw_block(draw: ImageDraw.ImageDraw, width: int, height: int) -> None:
    """A rectangle."""
    draw.rectangle((0.36 * width, 0.3 * height, 0.63 * width, 0.72 * height), "white")


ROWS: tuple[tuple[Callable[[ImageDraw.ImageDraw, int, int], None], tuple[str, ...]], ...] = (
    (draw_scratches, ("blue_periwinkle", "extreme_desert_hike", "lake_sherburne")),
    (draw_stamp, ("orange_hallway", "roman_colosseum", "solaris_grapes")),
    (draw_person, ("ashim_dsilva", "sunset_by_the_pier", "105518")),
    (draw_torn, ("161212", "286758", "coffee")),
)
"""Part of the photo's name -> function that draws its holes."""
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
EXAMPLE_SCALE = 0.75


def main() -> None:
    """Make the pictures."""
    inpainter = Inpainter.load(device="cpu")
    rows = [
        [reduced(picture) for name in names for picture in fill(inpainter, name, damage, "auto")]
        for damage, names in ROWS
    ]
    sheet = Image.fromarray(picture_grid(rows))
    sheet.save(IMAGES / "bundled.jpg", quality=QUALITY, optimize=True, progressive=True)
    beside = fill(inpainter, "sunset_by_the_pier", draw_block, "network", "auto")
    Image.fromarray(picture_grid([beside])).save(IMAGES / "complete_large.png", optimize=True)
    take_example(inpainter, IMAGES / "example.jpg")


def take_example(inpainter: Inpainter, path: Path) -> None:
    """The photo and the mask of `examples`, and what the README's command makes of them."""
    photo, mask = Image.open(EXAMPLES / "photo.jpg"), Image.open(EXAMPLES / "mask.png")
    row = [np.asarray(picture.convert("RGB")) for picture in (photo, mask, inpainter(photo, mask))]
    sheet = Image.fromarray(picture_grid([row]))
    size = round(EXAMPLE_SCALE * sheet.width), round(EXAMPLE_SCALE * sheet.height)
    sheet.resize(size, Image.Resampling.LANCZOS).save(path, quality=QUALITY, optimize=True, progressive=True)


def reduced(picture: Picture) -> Picture:
    """Resize a picture to a cell."""
    return np.asarray(Image.fromarray(picture).resize(CELL, Image.Resampling.LANCZOS))


def fill(
    inpainter: Inpainter, name: str, damage: Callable[[ImageDraw.ImageDraw, int, int], None], *textures: str
) -> list[Picture]:
    """A bundled photo with its holes in white, and filled with each choice of texture."""
    (path,) = bundled_photos().glob(f"*{name}*.jpg")
    photo = np.asarray(Image.open(path).convert("RGB"))
    mask = Image.new("L", photo.shape[1::-1])
    draw = ImageDraw.Draw(mask)
    draw.fontmode = "1"
    damage(draw, *mask.size)
    hole = np.asarray(mask) > 0
    filled = [inpainter(photo, hole, texture=texture) for texture in textures]
    return [np.where(hole[..., None], np.uint8(255), photo), *filled]


if __name__ == "__main__":
    main()
