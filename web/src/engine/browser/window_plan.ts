/**
 * Which windows of a photo the network gets: a plan that covers all holes with few pixels; nothing is filled here.
 *
 * The same plan as that of `onar/inference/window_plan.py`, which explains it.
 */

import shared from "../../shared.json";
import type { Box } from "./box";
import { joinWindows, roundUp, type Window } from "./joining";
import { HOLE, type Holes, noHoles } from "./pixels";
import * as rules from "./rules";
import { Runs } from "./runs";
import { findGroups, splitByDepth } from "./windows";

const { MAX_GROUPS, BLOCK } = shared.plan;

export class Planner {
  /** Maximum side of `Window.shown`. */
  readonly limit: number;

  /**
   * @param photo - the whole photo
   * @param trainingSize - side in pixels of the crops that the network was trained on
   * @param step - sides of `Window.shown` are multiples of it, as far as the photo's sides allow
   * @param maxSide - of `Window.shown`; by default the rule's
   */
  constructor(
    private readonly photo: Box,
    private readonly trainingSize: number,
    private readonly step: number,
    maxSide?: number | null,
  ) {
    this.limit = maxSide ?? rules.maxSide(trainingSize);
  }

  /** Windows for all unknown pixels, in batches: windows of one batch do not depend on each other. */
  plan(unknown: Holes): Window[][] {
    const { deep: large, shallow: small } = splitByDepth(unknown, rules.SMALL);
    const windows = this.join([...this.windows(small, rules.SMALL), ...this.windows(large, Infinity)]);
    return inTurns(findClusters(windows, this.photo).flatMap((cluster) => this.splitEvenly(cluster, unknown, large)));
  }

  /** Windows of any size for deep holes, which are filled at half the scale. */
  planDeep(deep: Holes): Window[] {
    const { margin, minSide } = rules.context(Infinity, this.trainingSize);
    const windows = findGroups(deep).map((core) => {
      const shown = core.grown(Math.max(margin, core.longerSide >> 2), this.photo, minSide);
      return { core, shown };
    });
    return joinWindows(windows, this.photo, 2, this.photo.longerSide);
  }

  private join(windows: Window[]): Window[] {
    return joinWindows(windows, this.photo, this.step, this.limit);
  }

  /** Windows for holes of up to `depth`. */
  private windows(holes: Holes, depth: number): Window[] {
    let groups = findGroups(holes);
    for (let block = 2; groups.length > MAX_GROUPS; block *= 2) groups = findGroups(holes, block);
    return groups.flatMap((group) => this.split(group, holes, depth));
  }

  /** As few windows as possible for a group, or small ones where they save a third, as along a line. */
  private split(group: Box, holes: Holes, depth: number): Window[] {
    const large = this.pieces(group, holes, depth, this.limit);
    const { minSide: size } = rules.context(Infinity, this.trainingSize);
    if (group.longerSide <= size) return large;
    const small = this.join(this.pieces(group, holes, depth, size));
    return 3 * this.pixels(small) <= 2 * this.pixels(large) ? small : large;
  }

  /** Windows of at most `size` pixels a side. */
  private pieces(group: Box, holes: Holes, depth: number, size: number): Window[] {
    const { margin, minSide } = rules.context(depth, this.trainingSize);
    const shown = group.grown(margin, this.photo, minSide);
    if (shown.longerSide <= size) return [{ core: group, shown }];
    const less = (3 * margin) >> 2; // rounding up gives back as much on average
    return group.pieces(size - 2 * less).flatMap((piece) => {
      const core = piece.shrunk(holes);
      return core === null ? [] : [{ core, shown: core.grown(less, this.photo) }];
    });
  }

  /** Overlapping windows, or equal parts of their bounding box, whichever is fewer pixels. */
  private splitEvenly(windows: Window[], unknown: Holes, large: Holes): Window[] {
    if (windows.length === 1) return windows;
    const core = windows.map((window) => window.core).reduce((all, one) => all.joined(one));
    const even = this.join(this.split(core, unknown, core.touches(large) ? Infinity : rules.SMALL));
    return this.pixels(even) < this.pixels(windows) ? even : windows;
  }

  /** Pixels of the network's input. */
  private pixels(windows: Window[]): number {
    return windows.reduce((total, { shown }) => total + roundUp(shown, this.photo, this.step).area, 0);
  }
}

/** Connected components of overlapping windows, in the order of each one's first. */
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

/** Batches of windows, one after the other; windows whose cores touch are in different ones, so that fills go on. */
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
