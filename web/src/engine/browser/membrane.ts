/** Harmonic values over some pixels of a photo, from given ones at their edge; as `onar/fills/membrane.py`. */

const DAMPING = 0.8;
const COARSEST = 16;
const COARSEST_STEPS = 8;
const MAX_ROUNDS = 60;
const TOLERANCE = 1e-3;

/** Values per pixel. */
export const CHANNELS = 3;

/** Pixels by their places. */
export interface Places {
  rows: Int32Array;
  columns: Int32Array;
}

/** The pixels of one grid. */
interface Level {
  count: number;
  /** Left, right, above and below: 4 indices a pixel; `count` where it is none of the pixels. */
  neighbours: Int32Array;
  /** Number of neighbours of each pixel in the photo. */
  degrees: Float32Array;
  /** Index of each pixel's pixel on the next level. */
  parents: Int32Array;
}

/**
 * Values of pixels that are the means of their neighbours.
 *
 * @param sums - of the given values of each pixel's neighbours that are not among the pixels
 * @param degrees - number of each pixel's neighbours, given ones and pixels
 * @param height - of the photo, as `width`
 */
export function membrane(
  places: Places,
  sums: Float32Array,
  degrees: Float32Array,
  height: number,
  width: number,
): Float32Array {
  const levels = levelsOf(places, degrees, height, width);
  const values = new Float32Array(sums.length);
  const residual = sums.slice();
  const most = dot(residual, residual).map((one) => one * TOLERANCE ** 2);
  const direction = new Float32Array(sums.length);
  let before = new Array(CHANNELS).fill(1);
  for (let round = 0; round < MAX_ROUNDS; round++) {
    if (dot(residual, residual).every((left, channel) => left <= most[channel])) break;
    const better = cycle(levels, 0, residual);
    const now = dot(residual, better);
    const kept = over(now, before);
    for (let at = 0; at < direction.length; at++) direction[at] = better[at] + kept[at % CHANNELS] * direction[at];
    const moved = applied(levels[0], direction);
    const step = over(now, dot(direction, moved));
    for (let at = 0; at < values.length; at++) {
      values[at] += step[at % CHANNELS] * direction[at];
      residual[at] -= step[at % CHANNELS] * moved[at];
    }
    before = now;
  }
  return values;
}

/** A sum of products per channel. */
function dot(one: Float32Array, other: Float32Array): number[] {
  const sums: number[] = new Array(CHANNELS).fill(0);
  for (let at = 0; at < one.length; at++) sums[at % CHANNELS] += one[at] * other[at];
  return sums;
}

/** 0 where there is nothing left to solve. */
function over(one: number[], other: number[]): number[] {
  return one.map((above, channel) => (other[channel] > 0 ? above / other[channel] : 0));
}

/** Degree times value less the neighbours among the pixels. */
function applied({ count, neighbours, degrees }: Level, values: Float32Array): Float32Array {
  const result = new Float32Array(values.length);
  for (let pixel = 0, at = 0; pixel < count; pixel++, at += CHANNELS) {
    for (let channel = 0; channel < CHANNELS; channel++) result[at + channel] = degrees[pixel] * values[at + channel];
    for (let side = 4 * pixel; side < 4 * pixel + 4; side++) {
      if (neighbours[side] === count) continue;
      const near = CHANNELS * neighbours[side];
      for (let channel = 0; channel < CHANNELS; channel++) result[at + channel] -= values[near + channel];
    }
  }
  return result;
}

/** A V-cycle from a level on. */
function cycle(levels: Level[], from: number, residual: Float32Array): Float32Array {
  const level = levels[from];
  const values = residual.map((left, at) => (DAMPING * left) / level.degrees[Math.floor(at / CHANNELS)]);
  if (from + 1 === levels.length) {
    for (let step = 0; step < COARSEST_STEPS; step++) smooth(level, values, residual);
    return values;
  }
  const moved = applied(level, values);
  const summed = new Float32Array(CHANNELS * levels[from + 1].count);
  eachWithParent(level, (at, to) => {
    summed[to] += residual[at] - moved[at];
  });
  const coarse = cycle(levels, from + 1, summed);
  eachWithParent(level, (at, to) => {
    values[at] += coarse[to];
  });
  smooth(level, values, residual);
  return values;
}

/** One damped Jacobi step. */
function smooth(level: Level, values: Float32Array, residual: Float32Array): void {
  const moved = applied(level, values);
  for (let at = 0; at < values.length; at++) {
    values[at] += (DAMPING * (residual[at] - moved[at])) / level.degrees[Math.floor(at / CHANNELS)];
  }
}

function eachWithParent({ parents }: Level, act: (at: number, to: number) => void): void {
  for (let pixel = 0, at = 0; pixel < parents.length; pixel++) {
    const to = CHANNELS * parents[pixel];
    for (let channel = 0; channel < CHANNELS; channel++) act(at++, to + channel);
  }
}

function levelsOf(finest: Places, degrees: Float32Array, height: number, width: number): Level[] {
  const levels: Level[] = [];
  let places = finest;
  for (let [tall, wide] = [height, width]; ; [tall, wide] = [Math.ceil(tall / 2), Math.ceil(wide / 2)]) {
    const count = places.rows.length;
    const level: Level = {
      count,
      neighbours: neighboursOf(places),
      degrees: levels.length === 0 ? degrees : degreesOf(places, tall, wide),
      parents: new Int32Array(count),
    };
    levels.push(level);
    if (count <= COARSEST) return levels;
    places = halved(places, level.parents);
  }
}

/** The grid of the pixels' bounding box with a margin of one. */
function gridOf({ rows, columns }: Places): { width: number; size: number; placeOf(pixel: number): number } {
  let [top, left, bottom, right] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let pixel = 0; pixel < rows.length; pixel++) {
    [top, bottom] = [Math.min(top, rows[pixel]), Math.max(bottom, rows[pixel])];
    [left, right] = [Math.min(left, columns[pixel]), Math.max(right, columns[pixel])];
  }
  const width = right - left + 3;
  const placeOf = (pixel: number) => (rows[pixel] - top + 1) * width + columns[pixel] - left + 1;
  return { width, size: width * (bottom - top + 3), placeOf };
}

function neighboursOf(places: Places): Int32Array {
  const count = places.rows.length;
  const { width, size, placeOf } = gridOf(places);
  const numbers = new Int32Array(size).fill(count);
  for (let pixel = 0; pixel < count; pixel++) numbers[placeOf(pixel)] = pixel;
  const neighbours = new Int32Array(4 * count);
  const steps = [-1, 1, -width, width];
  for (let pixel = 0; pixel < count; pixel++) {
    const place = placeOf(pixel);
    for (let side = 0; side < 4; side++) neighbours[4 * pixel + side] = numbers[place + steps[side]];
  }
  return neighbours;
}

function degreesOf({ rows, columns }: Places, height: number, width: number): Float32Array {
  return Float32Array.from(rows, (row, pixel) => {
    const column = columns[pixel];
    const inside = [column > 0, column < width - 1, row > 0, row < height - 1];
    return Math.max(1, inside.filter(Boolean).length);
  });
}

/** The pixels of the next level, each of up to four pixels; `parents` receives the number of each one's. */
function halved({ rows, columns }: Places, parents: Int32Array): Places {
  const halves = { rows: rows.map((row) => row >> 1), columns: columns.map((column) => column >> 1) };
  const { size, placeOf } = gridOf(halves);
  const numbers = new Int32Array(size).fill(-1);
  const first: number[] = [];
  for (let pixel = 0; pixel < parents.length; pixel++) {
    const place = placeOf(pixel);
    if (numbers[place] < 0) numbers[place] = first.push(pixel) - 1;
    parents[pixel] = numbers[place];
  }
  const pick = (from: Int32Array) => Int32Array.from(first, (pixel) => from[pixel]);
  return { rows: pick(halves.rows), columns: pick(halves.columns) };
}
