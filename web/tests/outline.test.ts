import { expect, test } from "vitest";
import type { Decoded } from "../src/engine/browser/decoding";
import { outlineOf } from "../src/engine/browser/outline";
import type { Rect } from "../src/engine/engine";
import { randomNumbers } from "./random";

const BACKGROUND = [
  [90, 130, 80],
  [110, 150, 95],
];
const OBJECT = [
  [180, 60, 50],
  [60, 60, 140],
];

interface Scene {
  photo: Decoded;
  object: Uint8Array;
}

/** A round object of two colours on a ground of two others, all with noise. */
function scene(width: number, height: number, random: () => number, colours = OBJECT): Scene {
  const rgba = new Uint8ClampedArray(4 * width * height);
  const object = new Uint8Array(width * height);
  const [x, y, radius] = [
    width * (0.35 + 0.3 * random()),
    height * (0.35 + 0.3 * random()),
    0.2 * Math.min(width, height),
  ];
  for (let at = 0; at < object.length; at++) {
    const [column, row] = [at % width, Math.floor(at / width)];
    object[at] = Math.hypot(column + 0.5 - x, row + 0.5 - y) < radius ? 1 : 0;
    const colour = (object[at] ? colours : BACKGROUND)[Math.floor(column / 9 + row / 7) % 2];
    rgba.set([...colour.map((level) => level + 30 * (random() - 0.5)), 255], 4 * at);
  }
  return { photo: { width, height, rgba }, object };
}

/** A rough lasso round an object: its bounding box with a margin, without corners. */
function lassoRound(
  { photo: { width, height }, object }: Scene,
  margin: number,
): { rect: Rect; mask: Uint8Array<ArrayBuffer> } {
  const [columns, rows] = [new Set<number>(), new Set<number>()];
  object.forEach((one, at) => {
    if (one === 0) return;
    columns.add(at % width);
    rows.add(Math.floor(at / width));
  });
  const [left, top] = [Math.max(0, Math.min(...columns) - margin), Math.max(0, Math.min(...rows) - margin)];
  const right = Math.min(width, Math.max(...columns) + margin + 1);
  const bottom = Math.min(height, Math.max(...rows) + margin + 1);
  const rect = { left, top, width: right - left, height: bottom - top };
  const mask = new Uint8Array(rect.width * rect.height).fill(255);
  for (const corner of [0, rect.width - 1, mask.length - rect.width, mask.length - 1]) mask[corner] = 0;
  return { rect, mask };
}

/** Intersection over union of what was found and the object. */
function agreement({ photo, object }: Scene, rect: Rect, found: Uint8Array): number {
  let [both, any] = [0, 0];
  object.forEach((one, at) => {
    const [column, row] = [(at % photo.width) - rect.left, Math.floor(at / photo.width) - rect.top];
    const isIn = column >= 0 && row >= 0 && column < rect.width && row < rect.height;
    const isFound = isIn && found[row * rect.width + column] === 255;
    if (one === 1 && isFound) both++;
    if (one === 1 || isFound) any++;
  });
  return both / any;
}

test.each([
  [60, 50, 4],
  [240, 160, 14],
  [900, 700, 60],
])(
  "in %i × %i pixels a rough lasso shrinks onto the object's outline, and stays within itself",
  (width, height, margin) => {
    const drawn = scene(width, height, randomNumbers(width));
    const lasso = lassoRound(drawn, margin);
    const found = outlineOf(drawn.photo, lasso);
    expect(found.every((level, at) => level === 0 || (level === 255 && lasso.mask[at] === 255))).toBe(true);
    const all = agreement(drawn, lasso.rect, lasso.mask);
    expect(all).toBeLessThan(0.7);
    expect(agreement(drawn, lasso.rect, found)).toBeGreaterThan(width < 100 ? 0.75 : 0.9); // its rim is with it
  },
);

test("where nothing differs from what is round the lasso, or nothing is round it, there is no object", () => {
  const plain = scene(120, 90, randomNumbers(1), BACKGROUND);
  plain.photo.rgba.fill(128);
  const lasso = lassoRound(plain, 8);
  const none = outlineOf(plain.photo, lasso);
  expect(none.every((level) => level === 0)).toBe(true);
  const whole = { rect: { left: 0, top: 0, width: 120, height: 90 }, mask: new Uint8Array(120 * 90).fill(255) };
  expect(outlineOf(scene(120, 90, randomNumbers(2)).photo, whole).includes(255)).toBe(false);
});
