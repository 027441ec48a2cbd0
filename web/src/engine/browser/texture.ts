/**
 * Copied texture: holes get the photo's own texture, led by what a network put there.
 *
 * As `onar/inference/texture.py`, which says more about it.
 */

import { Box } from "./box";
import { joinWindows, type Window } from "./joining";
import { allHole, clampedView, HOLE, type Holes, knownFromHoles, type Photo, putPixel, wholeFrameOf } from "./pixels";
import type { Progress } from "./progress";
import * as rules from "./rules";
import { double, halve } from "./scaling";
import type { Blend, CopyPatches } from "./tools";
import { inTurns } from "./window_plan";
import { depthOf, findGroups } from "./windows";

/** What gives fills the photo's texture. */
export interface Copying {
  copyPatches: CopyPatches;
  blend: Blend;
  /** Of PatchMatch. */
  seed: number;
}

/**
 * Give filled holes texture.
 *
 * @param photo - with its holes filled; changed in place
 * @param bare - those of them that want texture; empty afterwards
 */
export async function applyTexture(photo: Photo, bare: Holes, copying: Copying, progress: Progress): Promise<void> {
  const turns = planTexture(bare);
  const total = turns.flat().length;
  let done = 0;
  for (const windows of turns) {
    // Before any of a turn changes the photo, all of them have seen it.
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

/** Windows round the holes that want texture, turn by turn: those of one turn do not touch. */
export function planTexture(bare: Holes): Window[][] {
  const photo = Box.of(bare);
  const windows = findGroups(bare, rules.TEXTURE_NEAR).flatMap((group): Window[] => {
    const side = rules.TEXTURE_SIDE * 2 ** halvings(depthOf(group.grown(1, photo).cropHoles(bare)));
    if (group.longerSide <= side) {
      const margin = Math.max(rules.TEXTURE_MARGIN, group.longerSide);
      return [{ core: group, shown: group.grown(margin, photo) }];
    }
    const pieces = group.pieces(side).filter((piece) => piece.touches(bare));
    return pieces.map((core) => ({ core, shown: core.grown(side >> 2, photo) }));
  });
  return inTurns(joinWindows(windows, photo, 1, 3 * rules.TEXTURE_SIDE));
}

/** How often holes of that depth are halved until they are not too deep for copying. */
export function halvings(depth: number): number {
  if (depth === Infinity) return 0;
  return Math.max(0, Math.ceil(Math.log2(Math.max(depth, 1) / rules.TEXTURE_DEPTH)));
}

/** What belongs into the holes of a core. */
interface Fill {
  core: Box;
  /** What the frame shows. */
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
  const copied = await copyTexture(shown.cropPhoto(photo), hole, copyPatches, seed);
  // Copying wants many surroundings, blending few.
  const near = core.grown(rules.TEXTURE_MARGIN, Box.of(bare));
  const led = wholeFrameOf(near.cropPhoto(photo));
  const known = knownFromHoles(near.cropHoles(bare));
  const place = new Box(near.top - shown.top, near.left - shown.left, near.bottom - shown.top, near.right - shown.left);
  const copiedNear = wholeFrameOf(place.cropPhoto(copied));
  for (let pixel = 0; pixel < known.length; pixel++) {
    if (known[pixel]) copiedNear.set(led.subarray(3 * pixel, 3 * pixel + 3), 3 * pixel);
  }
  return { core, near, frame: await blend(led, copiedNear, known, { height: near.height, width: near.width }) };
}

/** Fill holes with patches of the photo; very deep ones at half the scale, or less: patches cannot bridge any depth. */
async function copyTexture(photo: Photo, hole: Holes, copyPatches: CopyPatches, seed: number): Promise<Photo> {
  const depth = depthOf(hole);
  if (halvings(depth) > 0) {
    const small = halve(photo, hole);
    return double(await copyTexture(small.photo, small.unknown, copyPatches, seed), photo);
  }
  const { height, width } = photo;
  const data = await copyPatches(photo.data, hole.data, { height, width }, rules.patchRadius(depth), seed);
  return { height, width, data };
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
