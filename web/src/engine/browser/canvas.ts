/**
 * Fill the holes of a photo: thin ones by the pyramid, the others by the network, window by window, coarse to fine.
 *
 * As `onar/inference/canvas.py`, which explains it. Memory and time grow with the holes, not with the photo.
 */

import shared from "../../shared.json";
import { Box } from "./box";
import { restoreDetail } from "./detail";
import type { Window } from "./joining";
import {
  clampedView,
  frameOf,
  HOLE,
  type Holes,
  hasHole,
  knownFromHoles,
  type Photo,
  putPixel,
  type Size,
} from "./pixels";
import type { Progress } from "./progress";
import { fillFrame } from "./pyramid";
import * as rules from "./rules";
import { double, halve } from "./scaling";
import type { Generator } from "./tools";
import { Planner } from "./window_plan";
import { blocksWithHoles, coresDeeperThan, deeperThan, eachDepth, splitByDepth } from "./windows";

const { TILE, TILE_MARGIN } = shared.canvas;

/** Shares of the progress for thin holes, and for deep ones at half the scale, where there are other holes, too. */
const THIN_SHARE = 0.05;
const DEEP_SHARE = 0.25;

export class Canvas {
  private readonly all: Box;
  private readonly planner: Planner;

  /**
   * @param photo - filled in place
   * @param unknown - what is still to be filled; changed in place
   * @param feather - pixels inside the seam over which the network's fill fades to match the known colours
   */
  constructor(
    private readonly generator: Generator,
    readonly photo: Photo,
    private readonly unknown: Holes,
    private readonly feather = 0,
  ) {
    this.all = Box.of(photo);
    this.planner = new Planner(this.all, generator.trainingSize, generator.step, generator.maxSide);
  }

  /**
   * Fill all holes.
   *
   * @throws Error when the plan left holes out
   */
  async fill(progress: Progress): Promise<void> {
    const whole = this.all.longerSide <= this.planner.limit ? { core: this.all, shown: this.all } : null;
    const done = await this.fillThin(progress);
    const deep = deeperThan(this.unknown, rules.maxDepth(this.generator.trainingSize));
    const sketched = hasHole(deep) ? done + DEEP_SHARE : done;
    if (hasHole(deep)) await this.fillDeep(deep, whole, progress.part(done, sketched));
    const turns = whole ? [[whole]] : this.planner.plan(this.unknown);
    await this.completeInTurns(turns, progress.part(sketched, 1));
    if (hasHole(this.unknown)) throw new Error("no window was planned for some of the holes");
  }

  // -------------------------------------------------------------- thin holes

  /**
   * Fill thin holes as the pyramid would in the whole photo, in the tiles that have some.
   *
   * @returns the progress afterwards
   */
  private async fillThin(progress: Progress): Promise<number> {
    const { deep: thick, shallow: thin } = splitByDepth(this.unknown, rules.THIN);
    const tiles = tilesOf(thin);
    if (tiles.length === 0) return 0;
    const done = hasHole(thick) ? THIN_SHARE : 1;
    for (const [number, tile] of tiles.entries()) {
      this.fillTile(tile, thin);
      await progress.reach((done * (number + 1)) / tiles.length);
    }
    this.unknown.data.set(thick.data);
    return done;
  }

  private fillTile(tile: Box, thin: Holes): void {
    const shown = tile.grown(TILE_MARGIN, this.all);
    const known = knownFromHoles(shown.cropHoles(this.unknown));
    const filled = fillFrame(frameOf(shown.cropPhoto(this.photo), known), known, shown);
    this.put(filled, tile.grown(0, this.all), shown, thin);
  }

  // -------------------------------------------------------------- deep holes

  /** Fill deep holes at half the scale, except a band along their seams; in one window if one is given. */
  private async fillDeep(deep: Holes, whole: Window | null, progress: Progress): Promise<void> {
    const planned = whole ? [whole] : this.planner.planDeep(deep);
    const windows = planned.filter((window) => window.shown.longerSide > this.generator.trainingSize);
    for (const [number, window] of windows.entries()) {
      await this.sketch(window, deep, progress.part(number / windows.length, (number + 1) / windows.length));
    }
  }

  /** Complete a window at half the scale, and copy the deep holes of its core from there. */
  private async sketch({ core, shown }: Window, deep: Holes, progress: Progress): Promise<void> {
    const unknown = shown.cropHoles(this.unknown);
    const photo = shown.cropPhoto(this.photo);
    const small = halve(photo, unknown);
    const holes = { ...small.unknown, data: small.unknown.data.slice() };
    await new Canvas(this.generator, small.photo, small.unknown).fill(progress);
    // A network that draws texture has drawn it for half the scale: it gets the photo's detail, and no band.
    const { draws } = this.generator;
    const sketch = draws
      ? restoreDetail(photo, unknown, { photo: small.photo }, holes).photo
      : double(small.photo, shown);
    const inside = draws ? unknown : coresDeeperThan(unknown, rules.band(this.generator.trainingSize));
    for (let row = core.top; row < core.bottom; row++) {
      let from = (row - shown.top) * shown.width + core.left - shown.left;
      let pixel = row * this.photo.width + core.left;
      for (let column = core.left; column < core.right; column++, from++, pixel++) {
        if (deep.data[pixel] !== HOLE) continue;
        this.photo.data[3 * pixel] = sketch.data[3 * from];
        this.photo.data[3 * pixel + 1] = sketch.data[3 * from + 1];
        this.photo.data[3 * pixel + 2] = sketch.data[3 * from + 2];
        if (inside.data[from] === HOLE) this.unknown.data[pixel] = 0;
      }
    }
  }

  // -------------------------------------------------------------- windows

  /** Fill the cores of windows, batch by batch; each window sees the photo as it was before its batch. */
  private async completeInTurns(turns: Window[][], progress: Progress): Promise<void> {
    const total = sumOf(turns.flat().map((window) => window.shown.area));
    let done = 0;
    for (const turn of turns) {
      for (const batch of this.batchesOf(turn.filter((window) => window.core.touches(this.unknown)))) {
        await this.complete(batch);
        done += sumOf(batch.map((window) => window.shown.area));
        await progress.reach(done / total);
      }
      for (const window of turn) window.core.clear(this.unknown);
    }
    await progress.reach(1);
  }

  /** Batches of windows of one shape, each of at most the memory of one large window. */
  private batchesOf(windows: Window[]): Window[][] {
    const byShape = new Map<string, Window[]>();
    for (const window of windows) {
      const shape = `${window.shown.height} ${window.shown.width}`;
      byShape.set(shape, [...(byShape.get(shape) ?? []), window]);
    }
    return [...byShape.values()].flatMap((alike) => {
      const count = Math.max(1, Math.floor(this.planner.limit ** 2 / alike[0].shown.area));
      return Array.from({ length: Math.ceil(alike.length / count) }, (_, number) =>
        alike.slice(number * count, (number + 1) * count),
      );
    });
  }

  /** Fill the cores of windows of one shape, as one batch. */
  private async complete(windows: Window[]): Promise<void> {
    const { height, width, area } = windows[0].shown;
    const known = new Float32Array(windows.length * area);
    const frames = new Float32Array(3 * known.length);
    for (const [number, { shown }] of windows.entries()) {
      const own = knownFromHoles(shown.cropHoles(this.unknown));
      known.set(own, number * area);
      frames.set(frameOf(shown.cropPhoto(this.photo), own), 3 * number * area);
    }
    const completed = await this.generator.network(frames, known, { count: windows.length, height, width });
    for (const [number, { core, shown }] of windows.entries()) {
      const own = completed.subarray(3 * number * area, 3 * (number + 1) * area);
      if (this.feather > 0) {
        const frame = frames.subarray(3 * number * area, 3 * (number + 1) * area);
        correctSeam(own, frame, known.subarray(number * area, (number + 1) * area), shown, this.feather);
      }
      this.put(own, core, shown, this.unknown);
    }
  }

  /** Copy filled pixels, H·W·3 of `shown`, into the holes of a part of the photo. */
  private put(filled: Float32Array, part: Box, shown: Box, holes: Holes): void {
    const clamped = clampedView(this.photo);
    for (let row = part.top; row < part.bottom; row++) {
      let from = (row - shown.top) * shown.width + part.left - shown.left;
      let pixel = row * this.photo.width + part.left;
      for (let column = part.left; column < part.right; column++, from++, pixel++) {
        if (holes.data[pixel] === HOLE) putPixel(clamped, 3 * pixel, filled, 3 * from);
      }
    }
  }
}

/** Add the network's error on the known side of the seam, extrapolated into the hole and fading over `feather`. */
function correctSeam(completed: Float32Array, photo: Float32Array, known: Float32Array, size: Size, feather: number) {
  const error = fillFrame(
    photo.map((value, at) => value - completed[at] * known[Math.floor(at / 3)]),
    known,
    size,
  );
  const hole = {
    height: size.height,
    width: size.width,
    data: Uint8Array.from(known, (one) => (one === 0 ? HOLE : 0)),
  };
  eachDepth(hole, (pixel, depth) => {
    const fade = Math.max(0, 1 - depth / (feather + 1));
    for (let at = 3 * pixel; at < 3 * pixel + 3; at++) completed[at] += error[at] * fade;
  });
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
