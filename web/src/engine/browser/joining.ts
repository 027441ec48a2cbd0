/** Joining windows where that saves pixels; as `join_windows` in `onar/inference/window_plan.py`. */

import { Box } from "./box";

/** One input of the network. */
export interface Window {
  /** The unknown pixels in it are filled. */
  core: Box;
  /** The network's input: the core with its context. */
  shown: Box;
}

/**
 * Join pairs of windows as long as the joined one shows no more pixels than both.
 *
 * @param windows - joined greedily, each in turn with the one that saves most
 * @param photo - the whole photo
 * @param step - sides of what is shown are rounded up to multiples of it, as far as the photo's sides allow
 * @param limit - maximum side of what is shown
 * @returns windows whose sides are rounded up, in reading order
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
 * Afterwards one may be worth joining with an earlier one, so this is repeated until nothing changes.
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

/** Sides of N boxes, for arithmetic on all of them. */
interface Boxes {
  top: Int32Array;
  left: Int32Array;
  bottom: Int32Array;
  right: Int32Array;
}

/** Windows that are not joined yet, sorted by `shown.top`. */
class Remaining {
  private readonly shown: Boxes;
  private readonly taken: Uint8Array;
  private first = 0;

  constructor(
    private readonly windows: Window[],
    private readonly photo: Box,
    private readonly step: number,
    private readonly limit: number,
  ) {
    const sides = (side: keyof Boxes) => Int32Array.from(windows, (window) => window.shown[side]);
    this.shown = { top: sides("top"), left: sides("left"), bottom: sides("bottom"), right: sides("right") };
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

  /** Index of the window that saves most when joined with this one, the first of equal ones; -1 when none saves. */
  findBest({ shown }: Window): number {
    const { top, left, bottom, right } = this.shown;
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

  /** Pixels of the network's input for a box. */
  private pixels(height: number, width: number): number {
    return this.padded(height, this.photo.height) * this.padded(width, this.photo.width);
  }

  private padded(side: number, total: number): number {
    return roundedSide(side, total, this.step);
  }
}

/** The box grown evenly to a multiple of `step` a side, within the photo. */
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
