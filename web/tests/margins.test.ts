import { expect, test } from "vitest";
import "./views/browser";
import { pulledMargins } from "../src/editor/margins";
import { type Step, shifted } from "../src/editor/steps";
import { extended } from "../src/engine/browser/extending";
import { crop, fillVisible } from "../src/engine/browser/filling";
import type { Margins, Photo } from "../src/engine/engine";
import { extendedTo, innerOf, NO_MARGINS, rectsOf, sumOf, writtenMargins } from "../src/engine/margins";
import { randomNumbers } from "./random";

const chance = randomNumbers(3);
const upTo = (most: number): number => Math.floor(chance() * (most + 1));

function someMargins(): Margins {
  const [left, top, right, bottom] = [9, 9, 9, 9].map((most) => (chance() < 0.3 ? 0 : upTo(most)));
  return { left, top, right, bottom };
}

function somePhoto(width: number, height: number) {
  return { width, height, rgba: Uint8ClampedArray.from({ length: 4 * width * height }, () => upTo(255)) };
}

const cases = Array.from({ length: 60 }, () => ({
  photo: somePhoto(1 + upTo(12), 1 + upTo(12)),
  margins: someMargins(),
}));

/** Whether a pixel of the extended photo is in its margins. */
function isNew(at: number, wide: number, { width, height }: { width: number; height: number }, margins: Margins) {
  const [x, y] = [(at % wide) - margins.left, Math.floor(at / wide) - margins.top];
  return x < 0 || y < 0 || x >= width || y >= height;
}

test.each(cases)("an extended photo keeps its pixels, and is black and opaque around them ($margins)", (one) => {
  const { photo, margins } = one;
  const larger = extended(photo, margins);
  expect([larger.width - photo.width, larger.height - photo.height]).toEqual([
    margins.left + margins.right,
    margins.top + margins.bottom,
  ]);
  const inner = crop(larger, innerOf({ width: larger.width, height: larger.height, margins }));
  expect(inner.rgba).toEqual(photo.rgba);
  for (let at = 0; at < larger.width * larger.height; at++) {
    if (isNew(at, larger.width, photo, margins))
      expect([...larger.rgba.slice(4 * at, 4 * at + 4)]).toEqual([0, 0, 0, 255]);
  }
});

test.each(cases)("the rectangles of margins are disjoint, and all that is new ($margins)", ({ photo, margins }) => {
  const { width: wide, height: tall } = extended(photo, margins);
  const counts = new Uint8Array(wide * tall);
  for (const rect of rectsOf(margins, photo)) {
    for (let y = rect.top; y < rect.top + rect.height; y++) {
      for (let x = rect.left; x < rect.left + rect.width; x++) counts[y * wide + x]++;
    }
  }
  counts.forEach((count, at) => {
    expect(count).toBe(isNew(at, wide, photo, margins) ? 1 : 0);
  });
});

test("the engine gets the photo as known and the margins as the hole, and fills all of them", async () => {
  for (const { photo, margins } of cases) {
    for (let alpha = 3; alpha < photo.rgba.length; alpha += 4) photo.rgba[alpha] = 255;
    const larger = extended(photo, margins);
    const rects = rectsOf(margins, photo);
    if (rects.length === 0) continue;
    const hole = rects.map((rect) => ({ rect, mask: new Uint8Array(rect.width * rect.height).fill(255) }));
    const filled = await fillVisible(larger, hole, false, async (rgb, unknown) => {
      unknown.forEach((level, at) => {
        expect(level).toBe(isNew(at, larger.width, photo, margins) ? 255 : 0);
      });
      return rgb.map(() => 7);
    });
    for (let alpha = 3; alpha < filled.length; alpha += 4) expect(filled[alpha]).toBe(255);
  }
});

test("a photo that is extended twice has the margins of both, and the same inner part", () => {
  const photo = { width: 30, height: 20, margins: NO_MARGINS } as Photo;
  for (let round = 0; round < 40; round++) {
    const [first, second] = [someMargins(), someMargins()];
    const once = extendedTo(photo, first);
    const twice = extendedTo(once, sumOf(first, second));
    expect(innerOf(twice)).toMatchObject({ width: 30, height: 20 });
    expect(twice).toEqual(extendedTo(photo, sumOf(first, second)));
    expect(extendedTo(twice, NO_MARGINS)).toEqual(photo);
  }
  expect(extendedTo(photo, { ...NO_MARGINS })).toBe(photo);
  expect(writtenMargins({ left: 1, top: 2, right: 3, bottom: 4 })).toBe("1,2,3,4");
});

test("an edge that is pulled outwards adds a margin in whole pixels, and never cuts", () => {
  const photo = { width: 100, height: 60 };
  const before = { left: 5, top: 6, right: 7, bottom: 8 };
  expect(pulledMargins(before, { x: -1, y: 0 }, { x: -12.4, y: 3 }, photo)).toEqual({ ...before, left: 12 });
  expect(pulledMargins(before, { x: 1, y: 1 }, { x: 120, y: 75 }, photo)).toEqual({ ...before, right: 20, bottom: 15 });
  expect(pulledMargins(before, { x: 1, y: -1 }, { x: 40, y: 30 }, photo)).toEqual({ ...before, right: 0, top: 0 });
});

test("steps move with the photo", () => {
  const steps: Step[] = [
    { kind: "stroke", erases: false, points: [1, 2, 9, 3, 4, 9] },
    { kind: "lasso", erases: true, points: [1, 2, 3, 4] },
    { kind: "rectangle", erases: false, rect: { left: 1, top: 2, width: 3, height: 4 } },
    { kind: "inversion" },
  ];
  expect(steps.map((step) => shifted(step, 10, 20))).toEqual([
    { kind: "stroke", erases: false, points: [11, 22, 9, 13, 24, 9] },
    { kind: "lasso", erases: true, points: [11, 22, 13, 24] },
    { kind: "rectangle", erases: false, rect: { left: 11, top: 22, width: 3, height: 4 } },
    { kind: "inversion" },
  ]);
});
