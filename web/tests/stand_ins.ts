/** What stands for networks, PatchMatch and the blend, as `tests/web_vectors.py` has it in Python. */

import { fillFrame } from "../src/engine/browser/pyramid";
import type { Blend, CopyPatches, Network } from "../src/engine/browser/tools";

/** Pixels round its own on all sides that `means` sees. */
const REACH = 6;
const SIDE = 2 * REACH + 1;

export type Shape = { count: number; height: number; width: number };

export const networks: Record<string, Network> = {
  pyramid: async (photo, known, shape) => eachPhoto(photo, known, shape, fillFrame),
  means: async (photo, known, shape) => eachPhoto(photo, known, shape, means),
};

/** Another network, and a record of what it was asked for. */
export function recorded(network: Network): { network: Network; passes: number[][] } {
  const passes: number[][] = [];
  const recording: Network = (photo, known, shape) => {
    passes.push([shape.count, shape.height, shape.width]);
    return network(photo, known, shape);
  };
  return { network: recording, passes };
}

/** In the place of PatchMatch: hole pixels get a quarter of their fill, and the rest of known ones in turn. */
export const copyPixels: CopyPatches = async (photo, hole, _shape, radius, seed) => {
  const known: number[] = [];
  for (let pixel = 0; pixel < hole.length; pixel++) if (hole[pixel] === 0) known.push(pixel);
  const copied = photo.slice();
  for (let pixel = 0, number = 0; pixel < hole.length; pixel++) {
    if (hole[pixel] === 0) continue;
    const from = 3 * known[(number++ + 31 * seed + radius) % known.length];
    for (let channel = 0; known.length > 0 && channel < 3; channel++) {
      copied[3 * pixel + channel] = (photo[3 * pixel + channel] + 3 * photo[from + channel]) >> 2;
    }
  }
  return copied;
};

/** In the place of the blend; the more is known in the row, the more is copied. */
export const mix: Blend = async (led, copied, coarse, known, { height, width }) => {
  const mixed = new Float32Array(led.length);
  for (let row = 0; row < height; row++) {
    const line = known.subarray(row * width, (row + 1) * width);
    const share = 0.5 + 0.25 * (line.reduce((total, one) => total + one, 0) / width);
    for (let at = 3 * row * width; at < 3 * (row + 1) * width; at++) {
      mixed[at] = led[at] + share * Math.fround(copied[at] - led[at]) + 0.125 * Math.fround(coarse[at] - copied[at]);
    }
  }
  return mixed;
};

function eachPhoto(photo: Float32Array, known: Float32Array, shape: Shape, fill: typeof fillFrame): Float32Array {
  const area = shape.height * shape.width;
  const completed = new Float32Array(photo.length);
  for (let number = 0; number < shape.count; number++) {
    const frame = photo.slice(3 * number * area, 3 * (number + 1) * area);
    completed.set(fill(frame, known.slice(number * area, (number + 1) * area), shape), 3 * number * area);
  }
  return completed;
}

/** Every pixel becomes the mean of the known ones near it, a little brighter where more are known. */
function means(photo: Float32Array, known: Float32Array, { height, width }: { height: number; width: number }) {
  const counts = sums(known, height, width, 1, 0);
  const completed = new Float32Array(photo.length);
  for (let channel = 0; channel < 3; channel++) {
    const colours = sums(photo, height, width, 3, channel);
    for (let pixel = 0; pixel < known.length; pixel++) {
      const mean = counts[pixel] > 0 ? colours[pixel] / counts[pixel] : 0.5;
      completed[3 * pixel + channel] = mean + (0.1 * counts[pixel]) / SIDE ** 2;
    }
  }
  return completed;
}

/** Sums of one channel near each pixel. */
function sums(frame: Float32Array, height: number, width: number, channels: number, channel: number): Float64Array {
  const columns = width + 1;
  const total = new Float64Array((height + 1) * columns); // of all above and to the left
  for (let row = 0; row < height; row++) {
    for (let column = 0, line = 0; column < width; column++) {
      line += frame[channels * (row * width + column) + channel];
      total[(row + 1) * columns + column + 1] = total[row * columns + column + 1] + line;
    }
  }
  const near = new Float64Array(height * width);
  for (let row = 0; row < height; row++) {
    const top = Math.max(row - REACH, 0) * columns;
    const bottom = Math.min(row + REACH + 1, height) * columns;
    for (let column = 0; column < width; column++) {
      const left = Math.max(column - REACH, 0);
      const right = Math.min(column + REACH + 1, width);
      near[row * width + column] =
        total[bottom + right] - total[top + right] - total[bottom + left] + total[top + left];
    }
  }
  return near;
}
