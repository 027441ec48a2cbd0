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
import { double, halve } from "./scaling";
import { clear, costOf, planSteps, type Sketch, type Steps } from "./steps";
import type { Generator } from "./tools";
import { Planner } from "./window_plan";
import { eachDepth } from "./windows";

const { TILE_MARGIN, TILE_COST } = shared.canvas;

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

  /** The steps to fill all holes. */
  plan(): Steps {
    return planSteps(this.unknown, this.planner, this.generator);
  }

  /**
   * Fill all holes.
   *
   * @throws Error when the plan left holes out
   */
  async fill({ thin, tiles, sketches, turns, cost }: Steps, progress: Progress): Promise<void> {
    let done = 0;
    const advance = (further: number): Promise<void> => {
      done += further;
      return progress.reach(done / cost);
    };
    for (const tile of tiles) {
      this.fillTile(tile, thin);
      await advance(TILE_COST);
    }
    for (let pixel = thin.data.indexOf(HOLE); pixel >= 0; pixel = thin.data.indexOf(HOLE, pixel + 1)) {
      this.unknown.data[pixel] = 0;
    }
    for (const sketch of sketches) {
      await this.sketch(sketch, progress.part(done / cost, (done + costOf(sketch)) / cost));
      await advance(costOf(sketch));
    }
    for (const turn of turns) await this.completeTurn(turn, advance);
    await progress.reach(1);
    if (hasHole(this.unknown)) throw new Error("no window was planned for some of the holes");
  }

  /** Fill the thin holes of a tile as the pyramid would in the whole photo. */
  private fillTile(tile: Box, thin: Holes): void {
    const shown = tile.grown(TILE_MARGIN, this.all);
    const known = knownFromHoles(shown.cropHoles(this.unknown));
    const filled = fillFrame(frameOf(shown.cropPhoto(this.photo), known), known, shown);
    this.put(filled, tile.grown(0, this.all), shown, thin);
  }

  /** Complete a window at half the scale, and copy the deep holes of its core from there. */
  private async sketch(sketch: Sketch, progress: Progress): Promise<void> {
    const { core, shown } = sketch.window;
    const unknown = shown.cropHoles(this.unknown);
    const photo = shown.cropPhoto(this.photo);
    const small = halve(photo, unknown);
    const holes = { ...small.unknown, data: small.unknown.data.slice() };
    const canvas = new Canvas(this.generator, small.photo, small.unknown);
    await canvas.fill(canvas.plan(), progress);
    // A network that draws texture has drawn it for half the scale: it gets the photo's detail.
    const filled = this.generator.draws
      ? restoreDetail(photo, unknown, { photo: small.photo }, holes).photo
      : double(small.photo, shown);
    for (let row = core.top; row < core.bottom; row++) {
      let from = (row - shown.top) * shown.width + core.left - shown.left;
      let pixel = row * this.photo.width + core.left;
      for (let column = core.left; column < core.right; column++, from++, pixel++) {
        if (sketch.deep.data[pixel] !== HOLE) continue;
        this.photo.data[3 * pixel] = filled.data[3 * from];
        this.photo.data[3 * pixel + 1] = filled.data[3 * from + 1];
        this.photo.data[3 * pixel + 2] = filled.data[3 * from + 2];
      }
    }
    clear(this.unknown, sketch);
  }

  // -------------------------------------------------------------- windows

  /** Fill the cores of windows, batch by batch; each window sees the photo as it was before all of them. */
  private async completeTurn(turn: Window[], advance: (cost: number) => Promise<void>): Promise<void> {
    for (const batch of this.batchesOf(turn.filter((window) => window.core.touches(this.unknown)))) {
      await this.complete(batch);
      await advance(batch.length * batch[0].shown.area);
    }
    for (const window of turn) window.core.clear(this.unknown);
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
