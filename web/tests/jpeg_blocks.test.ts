import { expect, test } from "vitest";
import { withChangedPixels } from "../src/engine/browser/jpeg_blocks";
import { type Component, type Jpeg, readJpeg } from "../src/engine/browser/jpeg_coefficients";
import { writeJpeg } from "../src/engine/browser/jpeg_writing";
import { randomNumbers } from "./random";

const SAMPLINGS = [
  [[1, 1]],
  [[2, 2]],
  ...[
    [1, 1],
    [2, 1],
    [1, 2],
    [2, 2],
  ].map((first) => [first, [1, 1], [1, 1]]),
];

/** A file of any coefficients, the most of which are 0. */
function aJpeg(seed: number): Jpeg {
  const draw = randomNumbers(seed);
  const below = (count: number) => Math.floor(draw() * count);
  const sides = SAMPLINGS[below(SAMPLINGS.length)];
  const [wide, tall] = sides[0];
  const [width, height] = [1 + below(70), 1 + below(70)];
  const [unitsAcross, unitsDown] = [Math.ceil(width / (8 * wide)), Math.ceil(height / (8 * tall))];
  const components = sides.map(([w, t], n): Component => {
    const stride = unitsAcross * w;
    const coefficients = new Int16Array(64 * stride * unitsDown * t);
    const [rare, most] = [draw() ** 3, 1 << (1 + below(10))];
    const across = Math.ceil(Math.ceil((width * w) / wide) / 8);
    const down = Math.ceil(Math.ceil((height * t) / tall) / 8);
    for (let at = 0; at < coefficients.length; at++) {
      const isThere = sides.length > 1 || ((at >> 6) % stride < across && Math.floor((at >> 6) / stride) < down);
      if (isThere && draw() < rare) coefficients[at] = below(2 * most) - most;
    }
    return { id: n + 1, wide: w, tall: t, table: 0, across, down, stride, coefficients };
  });
  const table = Uint8Array.from({ length: 65 }, (_, at) => (at === 0 ? 0 : 1 + below(40)));
  const size = [height >> 8, height & 255, width >> 8, width & 255];
  const parts = components.flatMap(({ id, wide: w, tall: t }) => [id, (w << 4) | t, 0]);
  return {
    width,
    height,
    unitsAcross,
    unitsDown,
    components,
    tables: new Map([[0, Uint16Array.from(table.subarray(1))]]),
    tableSegments: [table],
    frame: Uint8Array.from([8, ...size, components.length, ...parts]),
    transform: null,
  };
}

test("coefficients are read as they were written", () => {
  for (let seed = 0; seed < 60; seed++) {
    const jpeg = aJpeg(seed);
    expect(readJpeg(writeJpeg(jpeg, []))).toEqual(jpeg);
  }
});

test("a changed pixel changes its own blocks alone", () => {
  for (let seed = 0; seed < 20; seed++) {
    const jpeg = aJpeg(seed);
    const { width, height } = jpeg;
    const before = new Uint8ClampedArray(4 * width * height).fill(90);
    const rgba = before.slice();
    const [x, y] = [width >> 1, height >> 1];
    rgba[4 * (y * width + x)] = 200;
    const file = withChangedPixels(writeJpeg(jpeg, []), { width, height, rgba }, before, 1, []);
    const changed = readJpeg(file as Uint8Array);
    const [first] = jpeg.components;
    for (const [number, { coefficients, stride, wide, tall }] of jpeg.components.entries()) {
      const own = Math.floor((y * tall) / first.tall / 8) * stride + Math.floor((x * wide) / first.wide / 8);
      const others = (all: Int16Array) => all.filter((_, at) => at >> 6 !== own);
      expect(others(changed.components[number].coefficients)).toEqual(others(coefficients));
    }
  }
});

test("damaged files and those of another kind are refused", () => {
  const jpeg = aJpeg(3);
  const file = writeJpeg(jpeg, []);
  const { width, height } = jpeg;
  const rgba = new Uint8ClampedArray(4 * width * height);
  const tried = (content: Uint8Array) => withChangedPixels(content, { width, height, rgba }, rgba, 1, []);
  expect(tried(file)).not.toBe(null);
  expect(tried(file.subarray(0, file.length >> 1))).toBe(null);
  expect(tried(Uint8Array.from([0xff, 0xd8, 0xff, 0xd9]))).toBe(null);
  expect(withChangedPixels(file, { width: width + 1, height, rgba }, rgba, 1, [])).toBe(null);
  for (let at = 2; at < file.length; at += 7) tried(file.map((byte, place) => (place === at ? byte ^ 0x55 : byte)));
});
