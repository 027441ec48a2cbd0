/** Photos at half the scale and back, as `halve` and `double` in `onar/inference/canvas.py`. */

import { clampedView, HOLE, type Holes, noHoles, type Photo, SHARES, type Size } from "./pixels";

/** Weights of the four source pixels for a position a quarter before the third, in 1/2048. */
const BEFORE = cubicWeights(0.75);
/** The same for a position a quarter after the second. */
const AFTER = cubicWeights(0.25);

/**
 * Means of the known pixels of 2×2 blocks, and the blocks with less than half known; odd sides get a row of hole.
 *
 * Only known pixels are averaged: values inside holes do not change the result.
 */
export function halve(photo: Photo, unknown: Holes): { photo: Photo; unknown: Holes } {
  const size = { height: (photo.height + 1) >> 1, width: (photo.width + 1) >> 1 };
  const blocks = noHoles(size);
  const means: Photo = { ...size, data: new Uint8Array(3 * blocks.data.length) };
  const rounded = clampedView(means);
  for (let row = 0, block = 0; row < size.height; row++) {
    for (let column = 0; column < size.width; column++, block++) {
      let count = 0;
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let y = 2 * row; y < Math.min(2 * row + 2, photo.height); y++) {
        for (let x = 2 * column; x < Math.min(2 * column + 2, photo.width); x++) {
          const pixel = y * photo.width + x;
          if (unknown.data[pixel] === HOLE) continue;
          count++;
          // Many means lie halfway between two levels: round as numpy does in 32 bits.
          red = Math.fround(red + SHARES[photo.data[3 * pixel]]);
          green = Math.fround(green + SHARES[photo.data[3 * pixel + 1]]);
          blue = Math.fround(blue + SHARES[photo.data[3 * pixel + 2]]);
        }
      }
      if (count < 2) blocks.data[block] = HOLE;
      if (count === 0) continue;
      rounded[3 * block] = Math.fround(Math.fround(red / count) * 255);
      rounded[3 * block + 1] = Math.fround(Math.fround(green / count) * 255);
      rounded[3 * block + 2] = Math.fround(Math.fround(blue / count) * 255);
    }
  }
  return { photo: means, unknown: blocks };
}

/**
 * As `halve`, with the means of the fill in the holes that are left.
 *
 * @param photo - with its holes filled
 */
export function halveFilled(photo: Photo, unknown: Holes): { photo: Photo; unknown: Holes } {
  const half = halve(photo, unknown);
  const { height, width, data } = half.photo;
  for (let row = 0, block = 0; row < height; row++) {
    const rows = [2 * row, Math.min(2 * row + 1, photo.height - 1)];
    for (let column = 0; column < width; column++, block++) {
      if (half.unknown.data[block] !== HOLE) continue;
      const columns = [2 * column, Math.min(2 * column + 1, photo.width - 1)];
      for (let channel = 0; channel < 3; channel++) {
        let sum = 2;
        for (const y of rows) for (const x of columns) sum += photo.data[3 * (y * photo.width + x) + channel];
        data[3 * block + channel] = sum >> 2;
      }
    }
  }
  return half;
}

/** The result of `halve`, enlarged to the original size; bicubic. */
export function double(photo: Photo, size: Size): Photo {
  const doubled: Photo = { ...size, data: new Uint8Array(3 * size.height * size.width) };
  const rounded = clampedView(doubled);
  // Ring buffer of the last four widened rows.
  const lines = Array.from({ length: 4 }, () => new Int32Array(3 * size.width));
  let widened = 0;
  for (let row = 0; row < size.height; row++) {
    const second = ((row + 1) >> 1) - 1; // of the four weighted rows
    for (; widened <= Math.min(second + 2, photo.height - 1); widened++) widen(photo, widened, lines[widened & 3]);
    const [a, b, c, d] = [-1, 0, 1, 2].map(
      (offset) => lines[Math.min(Math.max(second + offset, 0), photo.height - 1) & 3],
    );
    const [ofA, ofB, ofC, ofD] = row & 1 ? AFTER : BEFORE;
    const begin = row * 3 * size.width;
    for (let at = 0; at < a.length; at++) {
      rounded[begin + at] = (ofA * a[at] + ofB * b[at] + ofC * c[at] + ofD * d[at]) / 2048 ** 2;
    }
  }
  return doubled;
}

/** A row enlarged to twice its width, times 2048. */
function widen({ data, width }: Photo, row: number, line: Int32Array): void {
  const begin = 3 * row * width;
  for (let column = 0; 3 * column < line.length; column++) {
    const second = ((column + 1) >> 1) - 1;
    const [ofA, ofB, ofC, ofD] = column & 1 ? AFTER : BEFORE;
    const a = begin + 3 * Math.max(second - 1, 0);
    const b = begin + 3 * Math.max(second, 0);
    const c = begin + 3 * Math.min(second + 1, width - 1);
    const d = begin + 3 * Math.min(second + 2, width - 1);
    for (let channel = 0; channel < 3; channel++) {
      line[3 * column + channel] =
        ofA * data[a + channel] + ofB * data[b + channel] + ofC * data[c + channel] + ofD * data[d + channel];
    }
  }
}

/** Cubic convolution with a = -0.75 (Keys 1981), in 1/2048 as OpenCV rounds it for 8 bits. */
function cubicWeights(x: number): number[] {
  const a = -0.75;
  const outer = (t: number) => ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
  const inner = (t: number) => ((a + 2) * t - (a + 3)) * t * t + 1;
  return [outer(x + 1), inner(x), inner(1 - x), outer(2 - x)].map((weight) => Math.round(2048 * weight));
}
