/** Any photo and any hole in, the completed photo out, at the photo's own size; as `Inpainter.complete` in Python. */

import type { Texture } from "../engine";
import { Canvas } from "./canvas";
import { greyOf, isGrey } from "./grey";
import { HOLE, type Holes, hasHole, type Photo, type Size } from "./pixels";
import { Progress } from "./progress";
import * as rules from "./rules";
import { type Copying, Texturing } from "./texture";
import type { Tools } from "./tools";
import { deeperThan } from "./windows";

export type { Blend, CopyPatches, Network, Tools } from "./tools";

/**
 * Fill the holes of a photo.
 *
 * @param photo - H·W·3, 8 bits; not changed
 * @param hole - H·W, 255 = hole, 0 = known
 * @param options - texture "patches" gives deep holes the photo's own texture, "network" does not, "auto" does where
 *   `tools` can copy; `seed` of the copying; `feather` as of `Canvas`
 * @param onProgress - called with the progress from 0 to 1, monotonically
 * @param signal - aborts between two windows, raising its reason
 * @returns a new photo; known pixels are bit-identical; when all of them are grey, fills are grey
 * @throws Error for "patches" when `tools` cannot copy
 * @throws RangeError when photo, hole and shape do not fit
 */
export async function complete(
  photo: Uint8Array,
  hole: Uint8Array,
  shape: Size,
  tools: Tools,
  options: { texture: Texture; seed: number; feather?: number },
  onProgress: (share: number) => void,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { height, width } = shape;
  if (hole.length !== height * width || photo.length !== 3 * hole.length) {
    throw new RangeError(
      `${photo.length} and ${hole.length} bytes are no photo and hole of ${width} x ${height} pixels`,
    );
  }
  const copying = copyingOf(tools, options, signal);
  const bare = copying && deeperThan({ height, width, data: hole }, rules.SMALL);
  const texturing = bare && hasHole(bare) ? new Texturing(bare, copying) : null;
  const progress = new Progress(onProgress, signal);
  await progress.reach(0);
  const completed = { height, width, data: photo.slice() };
  const canvas = new Canvas(tools, completed, { height, width, data: hole.slice() }, options.feather);
  const steps = canvas.plan();
  const share = steps.cost / (steps.cost + (texturing?.cost ?? 0)) || 0;
  await canvas.fill(steps, progress.part(0, share));
  await texturing?.apply(completed, progress.part(share, 1));
  await progress.reach(1);
  if (isGrey(photo, 3, (pixel) => hole[pixel] !== HOLE)) makeGrey(completed, { height, width, data: hole });
  return completed.data;
}

function makeGrey({ data }: Photo, hole: Holes): void {
  for (let pixel = 0, at = 0; at < data.length; pixel++, at += 3) {
    if (hole.data[pixel] === HOLE) data.fill(greyOf(data, at), at, at + 3);
  }
}

/** How texture is copied; null for no copying. */
function copyingOf(
  { copyTexture, blend }: Tools,
  { texture, seed }: { texture: Texture; seed: number },
  signal: AbortSignal,
): Copying | null {
  if (texture === "network") return null;
  if (copyTexture && blend) return { copyTexture, blend, seed, signal };
  if (texture === "patches") throw new Error("texture cannot be copied without PatchMatch and a blend");
  return null;
}
