/**
 * Which windows of a photo a network gets, so that all holes are filled for few pixels: a plan, with nothing filled.
 *
 * The same plan as that of `onar/inference/window_plan.py`, which says more about it.
 */

import type { Box } from "./box";
import { joinWindows, roundUp, type Window } from "./joining";
import { HOLE, type Holes, noHoles } from "./pixels";
import * as rules from "./rules";
import { Runs } from "./runs";
import { findGroups, splitByDepth } from "./windows";

/** Holes are planned for one by one up to this number: joining takes time with its square. */
export const MOST_GROUPS = 10_000;

/** Side in pixels of the blocks by which `findClusters` sees that windows overlap. */
const BLOCK = 8;

export class Planner {
  /** Longest side that is shown. */
  readonly limit: number;

  /**
   * @param photo - all of it
   * @param trainingSize - side in pixels of the crops that the network was trained on
   * @param step - what is shown has a multiple of so many pixels a side, as far as the photo does
   */
  constructor(
    private readonly photo: Box,
    private readonly trainingSize: number,
    private readonly step: number,
  ) {
    this.limit = rules.longestSide(trainingSize);
  }

  /** Windows round all that is unknown, turn by turn: those of one turn may be filled at once. */
  plan(unknown: Holes): Window[][] {
    const { deep: large, shallow: small } = splitByDepth(unknown, rules.SMALL);
    const windows = this.join([...this.windows(small, rules.SMALL), ...this.windows(large, Infinity)]);
    return inTurns(findClusters(windows, this.photo).flatMap((cluster) => this.cutEvenly(cluster, unknown, large)));
  }

  /** Windows of any size round deep holes, for filling them at half the scale. */
  planDeep(deep: Holes): Window[] {
    const { margin, atLeast } = rules.surroundings(Infinity, this.trainingSize);
    const windows = findGroups(deep).map((core) => {
      const shown = core.grown(Math.max(margin, core.longerSide >> 2), this.photo, atLeast);
      return { core, shown };
    });
    return joinWindows(windows, this.photo, 2, this.photo.longerSide);
  }

  private join(windows: Window[]): Window[] {
    return joinWindows(windows, this.photo, this.step, this.limit);
  }

  /** Windows round holes of up to that depth. */
  private windows(holes: Holes, depth: number): Window[] {
    let groups = findGroups(holes);
    for (let block = 2; groups.length > MOST_GROUPS; block *= 2) groups = findGroups(holes, block);
    return groups.flatMap((group) => this.cut(group, holes, depth));
  }

  /** One window for a group, or as many as it takes; small ones where that saves a third, as along a line. */
  private cut(group: Box, holes: Holes, depth: number): Window[] {
    const large = this.pieces(group, holes, depth, this.limit);
    const { atLeast: size } = rules.surroundings(Infinity, this.trainingSize);
    if (group.longerSide <= size) return large;
    const small = this.join(this.pieces(group, holes, depth, size));
    return 3 * this.pixels(small) <= 2 * this.pixels(large) ? small : large;
  }

  /** Windows that show up to so many pixels a side. */
  private pieces(group: Box, holes: Holes, depth: number, size: number): Window[] {
    const { margin, atLeast } = rules.surroundings(depth, this.trainingSize);
    const shown = group.grown(margin, this.photo, atLeast);
    if (shown.longerSide <= size) return [{ core: group, shown }];
    const less = (3 * margin) >> 2; // rounding up gives back as much on average
    return group.pieces(size - 2 * less).flatMap((piece) => {
      const core = piece.shrunk(holes);
      return core === null ? [] : [{ core, shown: core.grown(less, this.photo) }];
    });
  }

  /** Windows that overlap, or equal parts of all that they show, whatever is fewer pixels. */
  private cutEvenly(windows: Window[], unknown: Holes, large: Holes): Window[] {
    if (windows.length === 1) return windows;
    const core = windows.map((window) => window.core).reduce((all, one) => all.joined(one));
    const even = this.join(this.cut(core, unknown, core.touches(large) ? Infinity : rules.SMALL));
    return this.pixels(even) < this.pixels(windows) ? even : windows;
  }

  /** What the network gets for windows. */
  private pixels(windows: Window[]): number {
    return windows.reduce((total, { shown }) => total + roundUp(shown, this.photo, this.step).area, 0);
  }
}

/** Windows by what they overlap, also by way of others; in the order of each cluster's first. */
function findClusters(windows: Window[], photo: Box): Window[][] {
  const shown = noHoles({ height: Math.ceil(photo.height / BLOCK), width: Math.ceil(photo.width / BLOCK) });
  for (const { shown: box } of windows) {
    for (let row = Math.floor(box.top / BLOCK); row < Math.ceil(box.bottom / BLOCK); row++) {
      const begin = row * shown.width;
      shown.data.fill(HOLE, begin + Math.floor(box.left / BLOCK), begin + Math.ceil(box.right / BLOCK));
    }
  }
  const runs = new Runs(shown);
  const parts = runs.parts();
  const clusters = new Map<number, Window[]>();
  for (const window of windows) {
    const part = parts.of[runs.at(Math.floor(window.shown.top / BLOCK), Math.floor(window.shown.left / BLOCK))];
    const cluster = clusters.get(part);
    if (cluster) cluster.push(window);
    else clusters.set(part, [window]);
  }
  return [...clusters.values()];
}

/** Windows that may be filled at once, turn by turn: those whose cores touch are not, so that fills go on. */
export function inTurns(windows: Window[]): Window[][] {
  const turns: Window[][] = [];
  const turnOf = new Int32Array(windows.length);
  for (let number = 0; number < windows.length; number++) {
    const { top, left, bottom, right } = windows[number].core;
    let turn = 0;
    for (let earlier = 0; earlier < number; earlier++) {
      const core = windows[earlier].core;
      const touch = core.top <= bottom && core.left <= right && core.bottom >= top && core.right >= left;
      if (touch && turnOf[earlier] >= turn) turn = turnOf[earlier] + 1;
    }
    turnOf[number] = turn;
    if (turn === turns.length) turns.push([]);
    turns[turn].push(windows[number]);
  }
  return turns;
}
