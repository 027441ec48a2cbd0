/** Windows that overlap are joined where that saves; as `join_windows` in `onar/inference/window_plan.py`. */

import { Box } from "./box";

/** What is filled at once. */
export interface Window {
  /** The unknown pixels in it are filled. */
  core: Box;
  /** What is seen for that, the core with its surroundings. */
  shown: Box;
}

/**
 * Join windows as long as one shows no more pixels than the two in its place would.
 *
 * @param windows - to be joined; from the first on, each with whatever saves most
 * @param photo - all of it
 * @param step - what is shown has a multiple of so many pixels a side, where the photo does
 * @param limit - pixels a side that what is shown may have
 * @returns Windows that show a multiple of `step` a side, in reading order.
 */
export function joinWindows(windows: Window[], photo: Box, step: number, limit: number): Window[] {
  let joined = windows;
  let before = -1;
  while (joined.length !== before) {
    before = joined.length;
    const fromTheTop = [...joined].sort((a, b) => a.shown.top - b.shown.top);
    joined = joinOnce(fromTheTop, photo, step, limit);
  }
  return [...joined].sort(inReadingOrder).map(({ core, shown }) => ({ core, shown: roundUp(shown, photo, step) }));
}

function inReadingOrder(a: Window, b: Window): number {
  return compare(a.core, b.core) || compare(a.shown, b.shown);
}

function compare(a: Box, b: Box): number {
  return a.top - b.top || a.left - b.left || a.bottom - b.bottom || a.right - b.right;
}

/**
 * Join windows from the top down.
 *
 * Afterwards one may be worth joining with an earlier one, so this is to be repeated.
 */
function joinOnce(windows: Window[], photo: Box, step: number, limit: number): Window[] {
  const joined: Window[] = [];
  const left = new Remaining(windows, photo, step, limit);
  for (let window = left.takeFirst(); window !== null; window = left.takeFirst()) {
    let one = window;
    for (let best = left.findBest(one); best >= 0; best = left.findBest(one)) {
      const other = left.take(best);
      one = { core: one.core.joined(other.core), shown: one.shown.joined(other.shown) };
    }
    joined.push(one);
  }
  return joined;
}

/** What is not yet joined, sorted by where it begins. What windows show is in arrays, because all pairs are tried. */
class Remaining {
  private readonly sides: Int32Array[];
  private readonly taken: Uint8Array;
  private first = 0;

  constructor(
    private readonly windows: Window[],
    private readonly photo: Box,
    private readonly step: number,
    private readonly limit: number,
  ) {
    this.sides = (["top", "left", "bottom", "right"] as const).map((side) =>
      Int32Array.from(windows, (window) => window.shown[side]),
    );
    this.taken = new Uint8Array(windows.length);
  }

  takeFirst(): Window | null {
    while (this.taken[this.first]) this.first++;
    return this.first < this.windows.length ? this.take(this.first) : null;
  }

  take(number: number): Window {
    this.taken[number] = 1;
    return this.windows[number];
  }

  /** The window that saves most when it is joined with `one`, the first of several; -1 when none does. */
  findBest({ shown }: Window): number {
    const [top, left, bottom, right] = this.sides;
    const own = this.pixels(shown.height, shown.width);
    // Windows further down than rounding can bridge save nothing.
    const end = shown.bottom + 2 * this.step;
    let most = -1;
    let best = -1;
    for (let number = this.first; number < top.length && top[number] <= end; number++) {
      if (this.taken[number]) continue;
      const height = Math.max(shown.bottom, bottom[number]) - Math.min(shown.top, top[number]);
      const width = Math.max(shown.right, right[number]) - Math.min(shown.left, left[number]);
      if (Math.max(this.padded(height, this.photo.height), this.padded(width, this.photo.width)) > this.limit) continue;
      const apart = own + this.pixels(bottom[number] - top[number], right[number] - left[number]);
      const saved = apart - this.pixels(height, width);
      if (saved > most) {
        most = saved;
        best = number;
      }
    }
    return best;
  }

  /** What the network gets for a box of that size. */
  private pixels(height: number, width: number): number {
    return this.padded(height, this.photo.height) * this.padded(width, this.photo.width);
  }

  private padded(side: number, total: number): number {
    return roundedSide(side, total, this.step);
  }
}

/** The box grown to a multiple of `step` a side, to all sides alike but for the photo's edges. */
export function roundUp(box: Box, photo: Box, step: number): Box {
  const height = roundedSide(box.height, photo.height, step);
  const width = roundedSide(box.width, photo.width, step);
  const top = widenedStart(box.top, box.bottom, height, photo.height);
  const left = widenedStart(box.left, box.right, width, photo.width);
  return new Box(top, left, top + height, left + width);
}

function roundedSide(side: number, total: number, step: number): number {
  return Math.min(Math.ceil(side / step) * step, total);
}

function widenedStart(start: number, end: number, length: number, total: number): number {
  return Math.min(Math.max(0, (start + end - length) >> 1), total - length);
}
