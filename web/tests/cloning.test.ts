import { expect, test } from "vitest";
import { clone } from "../src/engine/browser/cloning";
import type { Offset } from "../src/engine/engine";
import { decoded, unpack } from "./vectors";

interface Case {
  name: string;
  height: number;
  width: number;
  photo: string;
  alpha: string;
  strength: string;
  offset: Offset;
  heals: boolean;
  result: string;
  painted: string;
}

/** Written by `tests/test_cloning.py`. */
const file = import.meta.env.VITE_CLONE_VECTORS;
const cases: Case[] = file === undefined ? [] : (await import(/* @vite-ignore */ file)).default;

test.skipIf(cases.length === 0).each(cases)("$name is that of Python", async (one) => {
  const { height, width, offset, heals } = one;
  const [strength, result, painted] = await Promise.all([one.strength, one.result, one.painted].map(unpack));
  const half = Math.ceil(height / 2); // two pieces
  const stroke = [
    { rect: { left: 0, top: 0, width, height: half }, mask: strength.slice(0, half * width) },
    { rect: { left: 0, top: half, width, height: height - half }, mask: strength.slice(half * width) },
  ];
  const cloned = clone(await decoded(one), stroke as never, offset, heals);
  let [most, elsewhere] = [0, 0];
  for (let pixel = 0; pixel < painted.length; pixel++) {
    if (cloned[4 * pixel + 3] !== painted[pixel]) elsewhere++;
    if (painted[pixel] === 0) continue;
    for (let channel = 0; channel < 3; channel++) {
      most = Math.max(most, Math.abs(cloned[4 * pixel + channel] - result[3 * pixel + channel]));
    }
  }
  expect(elsewhere).toBe(0);
  expect(most).toBeLessThanOrEqual(heals ? 1 : 0);
});

test("healing with a source of the same colours paints the photo itself, and a source outside paints nothing", () => {
  const [width, height] = [20, 12];
  const photo = { width, height, rgba: new Uint8ClampedArray(4 * width * height).fill(200) };
  const stroke = [{ rect: { left: 2, top: 3, width: 6, height: 5 }, mask: new Uint8Array(30).fill(255) }];
  expect(new Set(clone(photo, stroke as never, { x: 8, y: 1 }, true))).toEqual(new Set([200, 255]));
  expect(clone(photo, stroke as never, { x: 40, y: 0 }, false).every((value) => value === 0)).toBe(true);
});
