import { expect, test } from "vitest";
import { colourAt, difference, Likeness } from "../../src/editor/flood";
import type { Piece, Rect } from "../../src/engine/engine";
import { randomNumbers } from "../random";

interface Picture {
  width: number;
  height: number;
  rgba: Uint8ClampedArray;
}

/** Few colours in blotches, so that patches are winding. */
function blotches(width: number, height: number, random: () => number): Picture {
  const rgba = new Uint8ClampedArray(4 * width * height);
  for (let at = 0; at < rgba.length; at += 4) {
    const fromLeft = at > 0 && random() < 0.6;
    const from = fromLeft || at < 4 * width ? at - 4 : at - 4 * width;
    if (at > 0 && random() < 0.8) rgba.copyWithin(at, from, from + 4);
    else rgba.set([0, 1, 2].map(() => 40 + Math.floor(random() * 30)).concat(random() < 0.02 ? 0 : 255), at);
  }
  return { width, height, rgba };
}

function reading({ width, rgba }: Picture, read: Rect[] = []) {
  return async (rect: Rect): Promise<Uint8ClampedArray> => {
    read.push(rect);
    const part = new Uint8ClampedArray(4 * rect.width * rect.height);
    for (let row = 0; row < rect.height; row++) {
      const from = 4 * ((rect.top + row) * width + rect.left);
      part.set(rgba.subarray(from, from + 4 * rect.width), 4 * row * rect.width);
    }
    return part;
  };
}

/** Pixel by pixel, without tiles. */
function slowly({ width, height, rgba }: Picture, x: number, y: number, tolerance: number): Uint8Array {
  const marked = new Uint8Array(width * height);
  const colour = colourAt(rgba, 4 * (y * width + x));
  const waiting = [[x, y]];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [column, row] = next;
    const at = row * width + column;
    if (column < 0 || row < 0 || column >= width || row >= height || marked[at]) continue;
    if (difference(colourAt(rgba, 4 * at), colour) > Math.min(254, Math.round(2.55 * tolerance))) continue;
    marked[at] = 255;
    waiting.push([column - 1, row], [column + 1, row], [column, row - 1], [column, row + 1]);
  }
  return marked;
}

function onPhoto({ rect, mask }: Piece, { width, height }: Picture): Uint8Array {
  const marked = new Uint8Array(width * height);
  for (let row = 0; row < rect.height; row++) {
    marked.set(mask.subarray(row * rect.width, (row + 1) * rect.width), (rect.top + row) * width + rect.left);
  }
  return marked;
}

test.each(Array.from({ length: 24 }, (_, seed) => seed))(
  "a patch of like colour is that of a plain flood fill, whatever the tiles (%i)",
  async (seed) => {
    const random = randomNumbers(seed);
    const [width, height] = [1 + Math.floor(random() * 60), 1 + Math.floor(random() * 40)];
    const picture = blotches(width, height, random);
    const from = { x: Math.floor(random() * width), y: Math.floor(random() * height) };
    const likeness = new Likeness(picture, from, reading(picture), 1 + Math.floor(random() * 20));
    for (const tolerance of [0, 2, 6, 3]) {
      const patch = onPhoto(await likeness.patch(tolerance), picture);
      expect(patch).toEqual(slowly(picture, from.x, from.y, tolerance));
      expect(patch[from.y * width + from.x]).toBe(255);
    }
  },
);

test("only the tiles that a patch reaches are read, and once for all tolerances", async () => {
  const picture = { width: 4000, height: 40, rgba: new Uint8ClampedArray(4 * 4000 * 40).fill(255) };
  for (let row = 0; row < 40; row++) picture.rgba.fill(0, 4 * (row * 4000 + 30), 4 * (row * 4000 + 32) - 1);
  const read: Rect[] = [];
  const likeness = new Likeness(picture, { x: 5, y: 5 }, reading(picture, read), 20);
  for (const tolerance of [3, 20]) await likeness.patch(tolerance);
  expect(read.map(({ left, top }) => `${left},${top}`).sort()).toEqual(["0,0", "0,20", "20,0", "20,20"]);
});

test("what looks alike is alike: shades of a surface are, other hues of the same brightness are not", () => {
  const apart = (one: number[], other: number[]): number =>
    difference(colourAt([...one, 255], 0), colourAt([...other, 255], 0));
  expect(apart([120, 120, 120], [126, 126, 126])).toBeLessThan(apart([120, 120, 120], [150, 110, 110]));
  expect(apart([0, 0, 0], [255, 255, 255])).toBe(255);
  expect(apart([9, 200, 30], [9, 200, 30])).toBe(0);
});
