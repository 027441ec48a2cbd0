/**
 * The fill of holes replaced by patches of the photo, at its own scale or at half of it.
 *
 * As `copy_texture` in `onar/inference/texture.py`.
 */

import { type Copy, restoreDetail } from "./detail";
import { allHole, HOLE, type Holes, holeShare, type Photo } from "./pixels";
import * as rules from "./rules";
import { double, halveFilled } from "./scaling";
import type { CopyPatches } from "./tools";
import { depthOf } from "./windows";

/** A copy to make: a window of the filled photo, its holes, and whether the patches are those at half the scale. */
export interface Task {
  photo: Photo;
  hole: Holes;
  coarse: boolean;
  /** Seed of PatchMatch. */
  seed: number;
}

/** Replace the fill of holes by patches of the photo; only the pixels in holes are of use. */
export async function copyTexture(task: Task, copyPatches: CopyPatches): Promise<Photo> {
  return (await copied(task, copyPatches)).photo;
}

/** Very deep holes are filled at half the scale first, and so on; their detail is restored afterwards. */
async function copied(task: Task, copyPatches: CopyPatches): Promise<Copy> {
  const { photo, hole, coarse, seed } = task;
  const depth = depthOf(hole);
  const small = halveFilled(photo, hole);
  const nothingLeft = allHole(small.unknown);
  const tooSmall = Math.min(small.photo.height, small.photo.width) < rules.TEXTURE_MIN_SIDE;
  if (rules.TEXTURE_DEPTH < depth && depth < Infinity && !nothingLeft && !tooSmall) {
    const half = { photo: small.photo, hole: small.unknown, coarse, seed };
    const copy = await copied(half, copyPatches);
    const kept = { ...copy, photo: keepKnown(small.photo, small.unknown, copy.photo) };
    return restoreDetail(photo, hole, kept, small.unknown);
  }
  const fill = async ({ height, width, data }: Photo, holes: Holes, radius: number): Promise<Photo> => {
    return { height, width, data: await copyPatches(data, holes.data, { height, width }, radius, seed) };
  };
  if (!coarse) return { photo: await fill(photo, hole, rules.patchRadius(depth, holeShare(hole))) };
  if (nothingLeft) return { photo: await fill(photo, hole, rules.COARSE_RADIUS) };
  return { photo: double(await fill(small.photo, small.unknown, rules.COARSE_RADIUS), photo) };
}

/** A copy with the known pixels of its photo. */
function keepKnown(photo: Photo, hole: Holes, copy: Photo): Photo {
  const kept = { ...photo, data: photo.data.slice() };
  for (let pixel = 0; pixel < hole.data.length; pixel++) {
    if (hole.data[pixel] === HOLE) kept.data.set(copy.data.subarray(3 * pixel, 3 * pixel + 3), 3 * pixel);
  }
  return kept;
}
