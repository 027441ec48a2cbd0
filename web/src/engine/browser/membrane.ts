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

/** The pixels of one grid. Arrays of their values have one more, which is 0. */
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
  const { count } = levels[0];
  const plane = new Float32Array(count + 1);
  for (let channel = 0; channel < CHANNELS; channel++) {
    for (let pixel = 0; pixel < count; pixel++) plane[pixel] = sums[CHANNELS * pixel + channel];
    const solved = solve(levels, plane);
    for (let pixel = 0; pixel < count; pixel++) values[CHANNELS * pixel + channel] = solved[pixel];
  }
  return values;
}

/** Conjugate gradients for one channel; its sums become what is left of them. */
function solve(levels: Level[], residual: Float32Array): Float32Array {
  const values = new Float32Array(residual.length);
  const direction = new Float32Array(residual.length);
  const most = dot(residual, residual) * TOLERANCE ** 2;
  let before = 1;
  for (let round = 0; round < MAX_ROUNDS && dot(residual, residual) > most; round++) {
    const better = cycle(levels, 0, residual);
    const now = dot(residual, better);
    const kept = round === 0 ? 0 : now / before;
    for (let pixel = 0; pixel < direction.length; pixel++) direction[pixel] = better[pixel] + kept * direction[pixel];
    const moved = applied(levels[0], direction);
    const step = now / dot(direction, moved);
    for (let pixel = 0; pixel < values.length; pixel++) {
      values[pixel] += step * direction[pixel];
      residual[pixel] -= step * moved[pixel];
    }
    before = now;
  }
  return values;
}

function dot(one: Float32Array, other: Float32Array): number {
  let sum = 0;
  for (let pixel = 0; pixel < one.length; pixel++) sum += one[pixel] * other[pixel];
  return sum;
}

/** Degree times value less the neighbours among the pixels. */
function applied({ count, neighbours, degrees }: Level, values: Float32Array): Float32Array {
  const result = new Float32Array(count + 1);
  for (let pixel = 0, side = 0; pixel < count; pixel++, side += 4) {
    const beside = values[neighbours[side]] + values[neighbours[side + 1]];
    const below = values[neighbours[side + 2]] + values[neighbours[side + 3]];
    result[pixel] = degrees[pixel] * values[pixel] - beside - below;
  }
  return result;
}

/** A V-cycle from a level on. */
function cycle(levels: Level[], from: number, residual: Float32Array): Float32Array {
  const level = levels[from];
  const { count, degrees, parents } = level;
  const values = new Float32Array(count + 1);
  for (let pixel = 0; pixel < count; pixel++) values[pixel] = (DAMPING * residual[pixel]) / degrees[pixel];
  if (from + 1 === levels.length) {
    for (let step = 0; step < COARSEST_STEPS; step++) smooth(level, values, residual);
    return values;
  }
  const moved = applied(level, values);
  const summed = new Float32Array(levels[from + 1].count + 1);
  for (let pixel = 0; pixel < count; pixel++) summed[parents[pixel]] += residual[pixel] - moved[pixel];
  const coarse = cycle(levels, from + 1, summed);
  for (let pixel = 0; pixel < count; pixel++) values[pixel] += coarse[parents[pixel]];
  smooth(level, values, residual);
  return values;
}

/** One damped Jacobi step. */
function smooth(level: Level, values: Float32Array, residual: Float32Array): void {
  const moved = applied(level, values);
  for (let pixel = 0; pixel < level.count; pixel++) {
    values[pixel] += (DAMPING * (residual[pixel] - moved[pixel])) / level.degrees[pixel];
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
