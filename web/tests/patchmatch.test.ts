import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { loadPatchMatch } from "../src/engine/browser/patchmatch";

const copyPatches = loadPatchMatch(await WebAssembly.compile(readFileSync("public/patchmatch.wasm")));

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

/** Stripes with a hole of 20 × 12 pixels, filled with grey. */
function stripes(): { photo: Uint8Array; hole: Uint8Array } {
  const hole = new Uint8Array(SHAPE.height * SHAPE.width);
  const photo = new Uint8Array(3 * hole.length);
  for (let pixel = 0; pixel < hole.length; pixel++) {
    const [x, y] = [pixel % SHAPE.width, Math.floor(pixel / SHAPE.width)];
    photo.fill((x + y) % 8 < 4 ? 30 + y : 200 - y, 3 * pixel, 3 * pixel + 3);
    if (x < 20 || x >= 40 || y < 14 || y >= 26) continue;
    hole[pixel] = 255;
    photo.fill(115, 3 * pixel, 3 * pixel + 3);
  }
  return { photo, hole };
}

test("known pixels stay, and stripes take the place of grey", async () => {
  const { photo, hole } = stripes();
  const filled = await copyPatches(photo, hole, SHAPE, 4, 0);
  const inside = filled.filter((_, at) => hole[Math.floor(at / 3)] === 255);
  expect(inside.filter((value) => Math.abs(value - 115) > 40).length).toBeGreaterThan(0.8 * inside.length);
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

test("a photo that is all hole keeps its fill", async () => {
  const { photo, hole } = stripes();
  expect(await copyPatches(photo, hole.fill(255), SHAPE, 4, 0)).toEqual(photo);
});

/** The least and greatest value of a photo's channels where a mask has that byte. */
function rangesOf(photo: Uint8Array, hole: Uint8Array, byte: number): { low: number; high: number }[] {
  return [0, 1, 2].map((channel) => {
    let [low, high] = [255, 0];
    for (let pixel = 0; pixel < hole.length; pixel++) {
      if (hole[pixel] !== byte) continue;
      low = Math.min(low, photo[3 * pixel + channel]);
      high = Math.max(high, photo[3 * pixel + channel]);
    }
    return { low, high };
  });
}

test("a light strip with a hole from border to border stays light", async () => {
  for (const [height, width] of [
    [32, 300],
    [300, 32],
  ]) {
    const hole = new Uint8Array(height * width);
    const photo = new Uint8Array(3 * hole.length);
    for (let pixel = 0; pixel < hole.length; pixel++) {
      const [x, y] = [pixel % width, Math.floor(pixel / width)];
      const [along, across] = width > height ? [x, y] : [y, x];
      photo.fill(along % 5 === 0 && across % 8 === 0 ? 40 : 230, 3 * pixel, 3 * pixel + 3);
      if (along < 60 || along >= 240) continue;
      hole[pixel] = 255;
      photo.fill(215, 3 * pixel, 3 * pixel + 3);
    }
    const filled = await copyPatches(photo, hole, { height, width }, 2, 0);
    const inside = filled.filter((_, at) => hole[Math.floor(at / 3)] === 255);
    expect(inside.reduce((total, value) => total + value, 0) / inside.length).toBeGreaterThan(200);
  }
});

test.skipIf(VITE_PATCHMATCH === undefined)(
  "fills are those of Python, bit for bit, and in the range of what is known",
  async () => {
    const all: Filled[] = JSON.parse(readFileSync(VITE_PATCHMATCH, "utf8"));
    for (const { radius, seed, ...one } of all) {
      const [photo, hole, expected] = [one.photo, one.hole, one.filled].map((text) => Buffer.from(text, "base64"));
      const filled = await copyPatches(photo, hole, one, radius, seed);
      expect(Buffer.compare(filled, expected)).toBe(0);
      expect(filled.every((value, at) => hole[Math.floor(at / 3)] === 255 || value === photo[at])).toBe(true);
      if (!hole.includes(0)) continue;
      const known = rangesOf(photo, hole, 0);
      rangesOf(filled, hole, 255).forEach(({ low, high }, channel) => {
        expect(low).toBeGreaterThanOrEqual(known[channel].low);
        expect(hole.includes(255) ? high : 0).toBeLessThanOrEqual(known[channel].high);
      });
    }
  },
  300_000,
);
