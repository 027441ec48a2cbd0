import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { loadPatchMatch } from "../src/engine/browser/patchmatch";

const copyPatches = await loadPatchMatch(readFileSync("public/patchmatch.wasm"));

/** What `tests/inference/test_patchmatch_wasm.py` writes: bytes as text, row by row. */
interface Filled {
  height: number;
  width: number;
  photo: string;
  hole: string;
  radius: number;
  seed: number;
  filled: string;
}

const { VITE_PATCHMATCH } = import.meta.env;

const SHAPE = { height: 40, width: 60 };

/** Stripes with a hole of 20 × 12 pixels. */
function stripes(): { photo: Uint8Array; hole: Uint8Array } {
  const hole = new Uint8Array(SHAPE.height * SHAPE.width);
  const photo = new Uint8Array(3 * hole.length);
  for (let pixel = 0; pixel < hole.length; pixel++) {
    const [x, y] = [pixel % SHAPE.width, Math.floor(pixel / SHAPE.width)];
    photo.fill((x + y) % 8 < 4 ? 30 + y : 200 - y, 3 * pixel, 3 * pixel + 3);
    if (x >= 20 && x < 40 && y >= 14 && y < 26) hole[pixel] = 255;
  }
  return { photo, hole };
}

test("known pixels stay, and what a photo holds in its holes makes no difference", async () => {
  const { photo, hole } = stripes();
  const filled = await copyPatches(photo, hole, SHAPE, 4, 0);
  const other = photo.map((value, at) => (hole[Math.floor(at / 3)] ? 77 : value));
  expect(await copyPatches(other, hole, SHAPE, 4, 0)).toEqual(filled);
  expect(filled.map((value, at) => (hole[Math.floor(at / 3)] ? 0 : value))).toEqual(
    photo.map((value, at) => (hole[Math.floor(at / 3)] ? 0 : value)),
  );
  expect(filled).not.toEqual(photo);
});

test("a seed gives the same fill each time, another one another", async () => {
  const { photo, hole } = stripes();
  const first = await copyPatches(photo, hole, SHAPE, 4, 1);
  expect(await copyPatches(photo, hole, SHAPE, 4, 1)).toEqual(first);
  expect(await copyPatches(photo, hole, SHAPE, 4, 2)).not.toEqual(first);
});

test("a photo that is all hole becomes grey", async () => {
  const { photo, hole } = stripes();
  const filled = await copyPatches(photo, hole.fill(255), SHAPE, 4, 0);
  expect(filled).toEqual(new Uint8Array(photo.length).fill(128));
});

test.skipIf(VITE_PATCHMATCH === undefined)(
  "fills are those of Python, but for the rounding of a few pixels",
  async () => {
    const all: Filled[] = JSON.parse(readFileSync(VITE_PATCHMATCH, "utf8"));
    for (const { radius, seed, ...one } of all) {
      const [photo, hole, expected] = [one.photo, one.hole, one.filled].map((text) => Buffer.from(text, "base64"));
      const filled = await copyPatches(photo, hole, one, radius, seed);
      const differences = filled.map((value, at) => Math.abs(value - expected[at]));
      expect(Math.max(...differences)).toBeLessThanOrEqual(1);
      expect(differences.reduce((count, one) => count + one, 0)).toBeLessThan(0.001 * differences.length);
    }
  },
);
