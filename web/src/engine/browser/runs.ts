/** Holes as runs of pixels: connected components and distance transform, in memory proportional to the holes. */

import { HOLE, type Holes } from "./pixels";

/** Steps of the distance, as OpenCV's `distanceTransform(…, DIST_L2, 3)` counts them (Borgefors 1986). */
const STRAIGHT = Math.fround(0.955);
const DIAGONAL = Math.fround(1.3693);

/** The connected components (8-connectivity) of runs. */
export interface Parts {
  count: number;
  /** Component of each run, numbered in the order of their first runs. */
  of: Int32Array;
}

export class Runs {
  /** Index of the first run of each row, and the number of runs at the end. */
  readonly first: Int32Array;
  /** Columns of each run; the end is exclusive. */
  readonly start: Int32Array;
  readonly end: Int32Array;

  constructor(private readonly holes: Holes) {
    const { height, width, data } = holes;
    const starts: number[] = [];
    const ends: number[] = [];
    this.first = new Int32Array(height + 1);
    let row = 0;
    for (let at = data.indexOf(HOLE); at >= 0; at = data.indexOf(HOLE, at)) {
      for (const here = (at / width) | 0; row < here; ) this.first[++row] = starts.length;
      const begin = row * width;
      starts.push(at - begin);
      while (at < begin + width && data[at] === HOLE) at++;
      ends.push(at - begin);
    }
    this.first.fill(starts.length, row + 1);
    this.start = Int32Array.from(starts);
    this.end = Int32Array.from(ends);
  }

  get count(): number {
    return this.start.length;
  }

  /** The run in which a hole pixel lies. */
  at(row: number, column: number): number {
    let run = this.first[row];
    while (this.end[run] <= column) run++;
    return run;
  }

  /**
   * Distance transform: pixels from each hole pixel, in reading order, to the nearest known one; infinite without one.
   *
   * Pixels outside the photo are not known.
   */
  depths(): Float32Array {
    const { height, width } = this.holes;
    const depths = new Float32Array(this.end.reduce((total, end, run) => total + end - this.start[run], 0));
    let line = new Float32Array(width + 2);
    let above = new Float32Array(width + 2).fill(Infinity);
    for (let row = 0, at = 0; row < height; row++) {
      clear(line);
      for (let run = this.first[row]; run < this.first[row + 1]; run++) {
        for (let x = this.start[run] + 1; x <= this.end[run]; x++) {
          const straight = Math.min(above[x], line[x - 1]) + STRAIGHT;
          line[x] = Math.min(straight, Math.min(above[x - 1], above[x + 1]) + DIAGONAL);
          depths[at++] = line[x];
        }
      }
      [line, above] = [above, line];
    }
    let below = above.fill(Infinity);
    for (let row = height - 1, at = depths.length - 1; row >= 0; row--) {
      clear(line);
      for (let run = this.first[row + 1] - 1; run >= this.first[row]; run--) {
        for (let x = this.end[run]; x > this.start[run]; x--) {
          const straight = Math.min(below[x], line[x + 1]) + STRAIGHT;
          const diagonal = Math.min(below[x - 1], below[x + 1]) + DIAGONAL;
          line[x] = Math.min(depths[at], straight, diagonal);
          depths[at--] = line[x];
        }
      }
      [line, below] = [below, line];
    }
    return depths;
  }

  /** Connected components (8-connectivity). */
  parts(): Parts {
    const parent = Int32Array.from(this.start, (_, run) => run);
    for (let row = 1; row < this.holes.height; row++) {
      let upper = this.first[row - 1];
      let run = this.first[row];
      while (upper < this.first[row] && run < this.first[row + 1]) {
        if (this.start[upper] <= this.end[run] && this.end[upper] >= this.start[run]) unite(parent, upper, run);
        // The run that ends first touches nothing further on.
        if (this.end[upper] < this.end[run]) upper++;
        else run++;
      }
    }
    let count = 0;
    const of = new Int32Array(this.count);
    for (let run = 0; run < this.count; run++) of[run] = parent[run] === run ? count++ : of[rootOf(parent, run)];
    return { count, of };
  }
}

/** The known pixels of a row, with unknown ones outside. */
function clear(line: Float32Array): void {
  line.fill(0);
  line[0] = line[line.length - 1] = Infinity;
}

function rootOf(parent: Int32Array, run: number): number {
  while (parent[run] !== run) {
    parent[run] = parent[parent[run]];
    run = parent[run];
  }
  return run;
}

/** Union: the earlier of two roots becomes the root of both. */
function unite(parent: Int32Array, one: number, other: number): void {
  const roots = [rootOf(parent, one), rootOf(parent, other)];
  parent[Math.max(...roots)] = Math.min(...roots);
}
