import { expect, test } from "vitest";
import { maskOf } from "../src/engine/browser/decoding";

/** The mask of a few pixels, RGBA each. */
const mask = (...pixels: number[][]) => [...maskOf(new Uint8ClampedArray(pixels.flat()))];
const NOTHING = [0, 0, 0, 0];

test("white is the hole, and so not what is transparent", () => {
  expect(mask([0, 0, 0, 255], [127, 127, 127, 255], [128, 128, 128, 255], [255, 255, 255, 255])).toEqual([
    0, 0, 255, 255,
  ]);
  expect(mask([0, 0, 0, 255], [255, 255, 255, 0], [255, 255, 255, 200], [255, 255, 255, 100])).toEqual([0, 0, 255, 0]);
});

test("strokes on a transparent layer are holes, whatever their colour", () => {
  for (const colour of [
    [0, 0, 0],
    [255, 255, 255],
    [255, 0, 0],
    [0, 0, 90],
    [128, 128, 128],
  ])
    expect(mask(NOTHING, [...colour, 255], [...colour, 128], [...colour, 127])).toEqual([0, 255, 255, 0]);
  expect(mask(NOTHING, [255, 0, 0, 255], [255, 255, 0, 255])).toEqual([0, 255, 255]);
});

test("nothing painted is no hole", () => {
  expect(mask(NOTHING, NOTHING)).toEqual([0, 0]);
});
