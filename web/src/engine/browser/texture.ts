/**
 * Copied texture: holes get the photo's own texture, guided by the network's fill.
 *
 * As `onar/inference/texture.py`, which explains it.
 */

import { Box } from "./box";
import { type Copy, restoreDetail } from "./detail";
import { joinWindows, type Window } from "./joining";
import {
  allHole,
  clampedView,
  HOLE,
  type Holes,
  holeShare,
  knownFromHoles,
  type Photo,
  putPixel,
  wholeFrameOf,
} from "./pixels";
import type { Progress } from "./progress";
import * as rules from "./rules";
import { double, halve } from "./scaling";
import type { Blend, CopyPatches } from "./tools";
import { inTurns } from "./window_plan";
import { depthOf, findGroups } from "./windows";

/** How texture is copied. */
export interface Copying {
  copyPatches: CopyPatches;
  blend: Blend;
  /** Seed of PatchMatch. */
  seed: number;
}

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
    for (const window of windows) {
      const fill = await fillWindow(photo, bare, window, copying);
      if (fill) fills.push(fill);
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

async function fillWindow(
  photo: Photo,
  bare: Holes,
  { core, shown }: Window,
  { copyPatches, blend, seed }: Copying,
): Promise<Fill | null> {
  const hole = shown.cropHoles(bare);
  if (allHole(hole)) return null; // nothing to copy from
  const copies = await copyTexture(shown.cropPhoto(photo), hole, copyPatches, seed);
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
    frame: await blend(network, nearOf(copies.patches.photo), nearOf(copies.coarsePatches.photo), known, shape),
  };
}

/** A photo whose holes are filled with its own patches, at its own scale and at half the scale. */
interface Copies {
  patches: Copy;
  coarsePatches: Copy;
}

/** Copy patches; very deep holes are copied at half the scale, or less, and get their detail back afterwards. */
async function copyTexture(photo: Photo, hole: Holes, copyPatches: CopyPatches, seed: number): Promise<Copies> {
  const depth = depthOf(hole);
  const small = halve(photo, hole);
  if (rules.TEXTURE_DEPTH < depth && depth < Infinity && !allHole(small.unknown)) {
    const copies = await copyTexture(small.photo, small.unknown, copyPatches, seed);
    const restored = (copy: Copy): Copy => {
      const kept = { ...copy, photo: keepKnown(small.photo, small.unknown, copy.photo) };
      return restoreDetail(photo, hole, kept, small.unknown);
    };
    return { patches: restored(copies.patches), coarsePatches: restored(copies.coarsePatches) };
  }
  const fill = async ({ height, width, data }: Photo, holes: Holes, radius: number): Promise<Photo> => {
    return { height, width, data: await copyPatches(data, holes.data, { height, width }, radius, seed) };
  };
  const coarse = allHole(small.unknown) // nothing is left to copy from
    ? await fill(photo, hole, rules.COARSE_RADIUS)
    : double(await fill(small.photo, small.unknown, rules.COARSE_RADIUS), photo);
  return {
    patches: { photo: await fill(photo, hole, rules.patchRadius(depth, holeShare(hole))) },
    coarsePatches: { photo: coarse },
  };
}

/** A copy with the known pixels of its photo. */
function keepKnown(photo: Photo, hole: Holes, copy: Photo): Photo {
  const kept = { ...photo, data: photo.data.slice() };
  for (let pixel = 0; pixel < hole.data.length; pixel++) {
    if (hole.data[pixel] === HOLE) kept.data.set(copy.data.subarray(3 * pixel, 3 * pixel + 3), 3 * pixel);
  }
  return kept;
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
