/** The steps that fill the holes of a photo, planned before the first; as `onar/inference/steps.py`. */

import shared from "../../shared.json";
import { Box } from "./box";
import type { Window } from "./joining";
import { HOLE, type Holes, hasHole } from "./pixels";
import * as rules from "./rules";
import type { Generator } from "./tools";
import type { Planner } from "./window_plan";
import { blocksWithHoles, coresDeeperThan, deeperThan, splitByDepth } from "./windows";

const { TILE } = shared.canvas;

/** A window that is completed at half the scale first. */
export interface Sketch {
  window: Window;
  /** Holes of the core, in the whole photo, that are taken from half the scale. */
  deep: Holes;
  /** Pixels of `window.shown` that are not completed again at its own scale. */
  inside: Holes;
}

/** The steps, in their order. */
export interface Steps {
  /** Holes that the pyramid fills, and the tiles that have some. */
  thin: Holes;
  tiles: Box[];
  sketches: Sketch[];
  /** Windows of the network; those of a turn see the same state of the photo. */
  turns: Window[][];
  /** Total cost, in pixels of the network's input. */
  cost: number;
}

/** Cost of a sketch: about the pixels of the network's input at half the scale. */
export function costOf({ window }: Sketch): number {
  return window.shown.area / 4;
}

/** Plan the steps for the holes of a photo. */
export function planSteps(hole: Holes, planner: Planner, generator: Generator): Steps {
  const { deep: unknown, shallow: thin } = splitByDepth(hole, rules.THIN);
  const whole = wholePhoto(unknown, planner, generator);
  const tiles = tilesOf(thin);
  const sketches = planSketches(unknown, whole, planner, generator);
  const turns = !hasHole(unknown) ? [] : whole ? [[whole]] : planner.plan(unknown);
  const cost = shared.canvas.TILE_COST * tiles.length + sumOf(sketches.map(costOf)) + areaOf(turns);
  return { thin, tiles, sketches, turns, cost };
}

/** The whole photo, which has no seams inside, unless windows would be at most half of it. */
function wholePhoto(unknown: Holes, planner: Planner, { draws }: Generator): Window | null {
  const photo = Box.of(unknown);
  if (photo.longerSide > planner.limit || !hasHole(unknown)) return null;
  // What draws wants all context.
  return draws || photo.area < 2 * areaOf(planner.plan(unknown)) ? { core: photo, shown: photo } : null;
}

/** Pixels of the network's input. */
function areaOf(turns: Window[][]): number {
  return sumOf(turns.flat().map(({ shown }) => shown.area));
}

/** @param unknown - what the sketches make final is removed from it */
function planSketches(unknown: Holes, whole: Window | null, planner: Planner, generator: Generator): Sketch[] {
  const deep = deeperThan(unknown, rules.maxDepth(generator.trainingSize));
  if (!hasHole(deep)) return [];
  const windows = whole ? [whole] : planner.planDeep(deep);
  return windows
    .filter(({ shown }) => shown.longerSide > generator.trainingSize)
    .map((window) => {
      const holes = window.shown.cropHoles(unknown);
      // A network that draws texture has drawn it for half the scale: it gets no band.
      const inside = generator.draws ? holes : coresDeeperThan(holes, rules.band(generator.trainingSize));
      clear(unknown, { window, deep, inside });
      return { window, deep, inside };
    });
}

/** Remove what a sketch makes final. */
export function clear(unknown: Holes, { window: { core, shown }, deep, inside }: Sketch): void {
  for (let row = core.top; row < core.bottom; row++) {
    let from = (row - shown.top) * shown.width + core.left - shown.left;
    let pixel = row * unknown.width + core.left;
    for (let column = core.left; column < core.right; column++, from++, pixel++) {
      if (deep.data[pixel] === HOLE && inside.data[from] === HOLE) unknown.data[pixel] = 0;
    }
  }
}

/** The tiles of the whole photo that have holes. */
function tilesOf(holes: Holes): Box[] {
  const blocks = blocksWithHoles(holes, TILE);
  const tiles: Box[] = [];
  for (let block = blocks.data.indexOf(HOLE); block >= 0; block = blocks.data.indexOf(HOLE, block + 1)) {
    const top = TILE * Math.floor(block / blocks.width);
    const left = TILE * (block % blocks.width);
    tiles.push(new Box(top, left, top + TILE, left + TILE));
  }
  return tiles;
}

function sumOf(numbers: number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
