/**
 * Copied texture: holes get the photo's own texture, guided by the network's fill.
 *
 * As `onar/inference/texture.py`, which explains it.
 */

import shared from "../../shared.json";
import { Box } from "./box";
import { joinWindows, type Window } from "./joining";
import { allHole, clampedView, HOLE, type Holes, knownFromHoles, type Photo, putPixel, wholeFrameOf } from "./pixels";
import type { Progress } from "./progress";
import * as rules from "./rules";
import type { Blend, CopyTexture } from "./tools";
import { inTurns } from "./window_plan";
import { depthOf, findGroups } from "./windows";

const { FINE_COST, COARSE_COST, DETAIL_COST, BLEND_COST } = shared.texture;

/** How texture is copied. */
export interface Copying {
  copyTexture: CopyTexture;
  blend: Blend;
  /** Seed of PatchMatch. */
  seed: number;
  /** Aborts copying, which then raises its reason. */
  signal: AbortSignal;
}

/** Windows that are copied at once; a turn of many would not fit into memory. */
const AHEAD = 2;

/** Gives filled holes texture, turn by turn. */
export class Texturing {
  private readonly turns: Window[][];
  private readonly copies = new Map<Window, Promise<Copies | null>>();
  private readonly costs: Map<Window, Costs>;
  private done = 0;
  private progress: Progress | null = null;

  /** @param bare - the holes that get texture; empty afterwards */
  constructor(
    private readonly bare: Holes,
    private readonly copying: Copying,
  ) {
    this.turns = planTexture(bare);
    this.costs = new Map(this.turns.flat().map((window) => [window, costsOf(bare, window)]));
  }

  /** Total cost, in pixels of the network's input. */
  get cost(): number {
    return [...this.costs.values()].reduce((total, { copies, blend }) => total + copies[0] + copies[1] + blend, 0);
  }

  /** @param photo - with its holes filled; changed in place */
  async apply(photo: Photo, progress: Progress): Promise<void> {
    this.progress = progress;
    for (const windows of this.turns) {
      // All windows of a batch see the photo before any of them changes it.
      const fills: Fill[] = [];
      for (const [number, window] of windows.entries()) {
        for (const next of windows.slice(number, number + AHEAD)) this.copy(photo, next);
        const copies = await this.copies.get(window);
        this.copies.delete(window);
        if (copies) fills.push(await blendCopies(photo, this.bare, window, copies, this.copying.blend));
        const costs = this.costsOf(window);
        this.done += copies ? costs.blend : costs.copies[0] + costs.copies[1] + costs.blend;
        await progress.reach(this.cost > 0 ? this.done / this.cost : 1);
      }
      for (const fill of fills) put(photo, this.bare, fill);
      for (const { core } of windows) core.clear(this.bare);
    }
  }

  /** Begin to copy for a window, once. */
  private copy(photo: Photo, window: Window): void {
    if (this.copies.has(window)) return;
    const copies = copy(photo, this.bare, window, this.copying, (coarse) => {
      this.done += this.costsOf(window).copies[coarse ? 1 : 0];
      this.progress?.note(this.done / this.cost);
    });
    copies.catch(() => {}); // it is awaited later, or never when something else fails
    this.copies.set(window, copies);
  }

  private costsOf(window: Window): Costs {
    return this.costs.get(window) as Costs;
  }
}

/** Windows for the holes that get texture, in batches: windows of one batch do not touch. */
export function planTexture(bare: Holes): Window[][] {
  const photo = Box.of(bare);
  const windows = findGroups(bare, rules.TEXTURE_NEAR).flatMap((group): Window[] => {
    const depth = depthOf(group.grown(1, photo).cropHoles(bare));
    const side = rules.maxTextureSide(depth);
    if (group.longerSide <= side) {
      const margin = rules.textureMargin(depth, group.longerSide);
      return [{ core: group, shown: group.grown(margin, photo) }];
    }
    const margin = Math.min(side >> 2, rules.textureMargin(depth, side));
    const pieces = group.pieces(side).filter((piece) => piece.touches(bare));
    return pieces.map((core) => ({ core, shown: core.grown(margin, photo) }));
  });
  return inTurns(joinWindows(windows, photo, 1, 3 * rules.TEXTURE_SIDE));
}

/** Costs of a window, in pixels of the network's input: of the copies at its scale and at half of it, and of the blend. */
interface Costs {
  copies: [number, number];
  blend: number;
}

function costsOf(bare: Holes, { core, shown }: Window): Costs {
  const hole = shown.cropHoles(bare);
  if (allHole(hole)) return { copies: [0, 0], blend: 0 };
  let pixels = hole.data.reduce((count, value) => count + (value === HOLE ? 1 : 0), 0);
  let depth = depthOf(hole);
  let detail = 0;
  while (rules.TEXTURE_DEPTH < depth && depth < Infinity) {
    detail += DETAIL_COST * pixels;
    pixels /= 4;
    depth /= 2;
  }
  const blend = BLEND_COST * core.grown(rules.TEXTURE_MARGIN, Box.of(bare)).area;
  return { copies: [FINE_COST * pixels + detail, COARSE_COST * pixels + detail], blend };
}

/** The fill of the holes of a core. */
interface Fill {
  core: Box;
  /** The part of the photo that the frame covers. */
  near: Box;
  /** H·W·3 of `near`. */
  frame: Float32Array;
}

/** The fill of a window replaced by the photo's patches, at its own scale and at half of it. */
interface Copies {
  patches: Photo;
  coarsePatches: Photo;
}

/** The copies for a window; null when there is nothing to copy from. */
async function copy(
  photo: Photo,
  bare: Holes,
  { shown }: Window,
  copying: Copying,
  onCopied: (coarse: boolean) => void,
): Promise<Copies | null> {
  const hole = shown.cropHoles(bare);
  if (allHole(hole)) return null;
  const task = { photo: shown.cropPhoto(photo), hole, seed: copying.seed };
  const both = [false, true].map(async (coarse) => {
    const copied = await copying.copyTexture({ ...task, coarse }, copying.signal);
    onCopied(coarse);
    return copied;
  });
  const [patches, coarsePatches] = await Promise.all(both);
  return { patches, coarsePatches };
}

async function blendCopies(
  photo: Photo,
  bare: Holes,
  { core, shown }: Window,
  copies: Copies,
  blend: Blend,
): Promise<Fill> {
  // Copying needs much context, blending little.
  const near = core.grown(rules.TEXTURE_MARGIN, Box.of(bare));
  const network = wholeFrameOf(near.cropPhoto(photo));
  const known = knownFromHoles(near.cropHoles(bare));
  const place = new Box(near.top - shown.top, near.left - shown.left, near.bottom - shown.top, near.right - shown.left);
  const nearOf = (copy: Photo): Float32Array => {
    const frame = wholeFrameOf(place.cropPhoto(copy));
    for (let pixel = 0; pixel < known.length; pixel++) {
      if (known[pixel]) frame.set(network.subarray(3 * pixel, 3 * pixel + 3), 3 * pixel);
    }
    return frame;
  };
  const shape = { height: near.height, width: near.width };
  const frame = await blend(network, nearOf(copies.patches), nearOf(copies.coarsePatches), known, shape);
  clipToKnown(frame, shown.cropPhoto(photo), shown.cropHoles(bare));
  return { core, near, frame };
}

/** Clip a frame to the range of the known pixels of a photo, channel by channel. */
function clipToKnown(frame: Float32Array, photo: Photo, hole: Holes): void {
  const low = [1, 1, 1];
  const high = [0, 0, 0];
  photo.data.forEach((level, index) => {
    if (hole.data[Math.floor(index / 3)] === HOLE) return;
    low[index % 3] = Math.min(low[index % 3], level / 255);
    high[index % 3] = Math.max(high[index % 3], level / 255);
  });
  for (let index = 0; index < frame.length; index++) {
    frame[index] = Math.min(Math.max(frame[index], low[index % 3]), high[index % 3]);
  }
}

function put(photo: Photo, bare: Holes, { core, near, frame }: Fill): void {
  const clamped = clampedView(photo);
  for (let row = core.top; row < core.bottom; row++) {
    for (let column = core.left; column < core.right; column++) {
      const pixel = row * photo.width + column;
      if (bare.data[pixel] !== HOLE) continue;
      putPixel(clamped, 3 * pixel, frame, 3 * ((row - near.top) * near.width + column - near.left));
    }
  }
}
