/**
 * Copied texture: holes get the photo's own texture, guided by the network's fill.
 *
 * As `onar/inference/texture.py`, which explains it.
 */

import { Box } from "./box";
import { joinWindows, type Window } from "./joining";
import { allHole, clampedView, HOLE, type Holes, knownFromHoles, type Photo, putPixel, wholeFrameOf } from "./pixels";
import type { Progress } from "./progress";
import * as rules from "./rules";
import type { Blend, CopyTexture } from "./tools";
import { inTurns } from "./window_plan";
import { depthOf, findGroups } from "./windows";

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

/**
 * Give filled holes texture.
 *
 * @param photo - with its holes filled; changed in place
 * @param bare - the holes that get texture; empty afterwards
 */
export async function applyTexture(photo: Photo, bare: Holes, copying: Copying, progress: Progress): Promise<void> {
  const turns = planTexture(bare);
  const total = turns.flat().length;
  let done = 0;
  for (const windows of turns) {
    // All windows of a batch see the photo before any of them changes it.
    const fills: Fill[] = [];
    const copies: Promise<Copies | null>[] = [];
    for (const [number, window] of windows.entries()) {
      for (const next of windows.slice(copies.length, number + AHEAD)) copies.push(copy(photo, bare, next, copying));
      const copied = await copies[number];
      if (copied) fills.push(await blendCopies(photo, bare, window, copied, copying.blend));
      await progress.reach(++done / total);
    }
    for (const fill of fills) put(photo, bare, fill);
    for (const { core } of windows) core.clear(bare);
  }
}

/** Windows for the holes that get texture, in batches: windows of one batch do not touch. */
export function planTexture(bare: Holes): Window[][] {
  const photo = Box.of(bare);
  const windows = findGroups(bare, rules.TEXTURE_NEAR).flatMap((group): Window[] => {
    const side = rules.maxTextureSide(depthOf(group.grown(1, photo).cropHoles(bare)));
    if (group.longerSide <= side) {
      const margin = Math.max(rules.TEXTURE_MARGIN, group.longerSide);
      return [{ core: group, shown: group.grown(margin, photo) }];
    }
    const pieces = group.pieces(side).filter((piece) => piece.touches(bare));
    return pieces.map((core) => ({ core, shown: core.grown(side >> 2, photo) }));
  });
  return inTurns(joinWindows(windows, photo, 1, 3 * rules.TEXTURE_SIDE));
}

/** The fill of the holes of a core. */
interface Fill {
  core: Box;
  /** The part of the photo that the frame covers. */
  near: Box;
  /** H·W·3 of `near`. */
  frame: Float32Array;
}

/** A window whose holes are filled with the photo's patches, at its own scale and at half of it. */
interface Copies {
  patches: Photo;
  coarsePatches: Photo;
}

/** The copies for a window; null when there is nothing to copy from. */
function copy(photo: Photo, bare: Holes, { shown }: Window, copying: Copying): Promise<Copies | null> {
  const hole = shown.cropHoles(bare);
  if (allHole(hole)) return Promise.resolve(null);
  const task = { photo: shown.cropPhoto(photo), hole, seed: copying.seed };
  const both = [false, true].map((coarse) => copying.copyTexture({ ...task, coarse }, copying.signal));
  const copies = Promise.all(both).then(([patches, coarsePatches]) => ({ patches, coarsePatches }));
  copies.catch(() => {}); // an earlier window may fail first
  return copies;
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
  return {
    core,
    near,
    frame: await blend(network, nearOf(copies.patches), nearOf(copies.coarsePatches), known, shape),
  };
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
