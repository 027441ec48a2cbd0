import { expect, test } from "vitest";
import { fillVisible, shownFill, withFills } from "../src/engine/browser/filling";
import { withMargin } from "../src/engine/patches";

const photo = {
  width: 60,
  height: 40,
  rgba: Uint8ClampedArray.from({ length: 4 * 60 * 40 }, (_, at) => (at % 4 === 3 ? 255 : at % 251)),
};
/** Two pieces that touch, of which the second has a corner that is not marked. */
const hole = [
  { rect: { left: 10, top: 10, width: 4, height: 3 }, mask: new Uint8Array(12).fill(255) },
  { rect: { left: 14, top: 10, width: 3, height: 3 }, mask: Uint8Array.of(255, 255, 0, 255, 255, 255, 255, 255, 255) },
];
const rects = hole.map(({ rect }) => rect);
const white = async (rgb: Uint8Array): Promise<Uint8Array> => rgb.map(() => 255);

function pixel(rgba: ArrayLike<number>, width: number, x: number, y: number): number[] {
  return Array.from({ length: 4 }, (_, channel) => rgba[4 * (y * width + x) + channel]);
}

test("pieces of a hole are filled in one go, and lie on the photo where they belong", async () => {
  const filled = await fillVisible(photo, hole, false, white);
  expect(filled.length).toBe(4 * (12 + 9));
  const { rgba } = await withFills(photo, [{ rects, content: new Blob([filled]) }]);
  for (let y = 0; y < 40; y++) {
    for (let x = 0; x < 60; x++) {
      const isFilled = x >= 10 && x < 17 && y >= 10 && y < 13 && !(x === 16 && y === 10);
      expect(pixel(rgba, 60, x, y)).toEqual(isFilled ? [255, 255, 255, 255] : pixel(photo.rgba, 60, x, y));
    }
  }
});

test("each piece is shown as the photo looks there and round it, what other pieces filled included", async () => {
  const filled = await fillVisible(photo, hole, false, white);
  const { rgba } = await withFills(photo, [{ rects, content: new Blob([filled]) }]);
  const parts = shownFill(filled, rects, photo);
  expect(parts.map(({ rect }) => rect)).toEqual(rects.map((rect) => withMargin(rect, photo)));
  for (const { rect, rgba: shown } of parts) {
    for (let y = 0; y < rect.height; y++) {
      for (let x = 0; x < rect.width; x++) {
        expect(pixel(shown, rect.width, x, y)).toEqual(pixel(rgba, 60, rect.left + x, rect.top + y));
      }
    }
  }
});

test("round a fill, what is half transparent is not shown, for it would lie on the photo twice", async () => {
  const half = { ...photo, rgba: photo.rgba.map((level, at) => (at % 4 === 3 ? 100 : level)) };
  const [part] = shownFill(await fillVisible(half, hole, false, white), rects, half);
  const { left, top, width } = part.rect;
  expect(pixel(part.rgba, width, 0, 0)[3]).toBe(0);
  expect(pixel(part.rgba, width, 10 - left, 10 - top)).toEqual([255, 255, 255, 100]);
});
