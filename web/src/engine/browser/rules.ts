/**
 * The rules of completing: which method fills a hole, at which scale, and with how much context.
 *
 * The numbers are those of `onar/inference/rules.py`, which explains them; tests compare the functions. All lengths are
 * pixels.
 */

import shared from "../../shared.json";

export const {
  THIN,
  SMALL,
  TEXTURE_DEPTH,
  TEXTURE_MIN_SIDE,
  TEXTURE_SIDE,
  TEXTURE_MARGIN,
  TEXTURE_NEAR,
  COARSE_RADIUS,
} = shared.rules;
const { SMALL_CONTEXT, SMALL_PHOTO, MIN_BAND, TEXTURE_SIDE_PER_DEPTH, PATCH_RADII, THIN_PATCHES, MANY_HOLES } =
  shared.rules;
const { TEXTURE_MARGIN_PER_DEPTH } = shared.rules;

/** Context for a hole depth: margin per side and minimum window side. */
export function context(depth: number, trainingSize: number): { margin: number; minSide: number } {
  const [margin, minSide] = SMALL_CONTEXT;
  if (depth <= SMALL) return { margin, minSide };
  return { margin: Math.max(margin, trainingSize >> 2), minSide: Math.max(minSide, trainingSize) };
}

/** Maximum side of the network's input. */
export function maxSide(trainingSize: number): number {
  return Math.max(2 * trainingSize, SMALL_PHOTO);
}

/** Deeper holes are first filled at half the scale. */
export function maxDepth(trainingSize: number): number {
  return trainingSize >> 2;
}

/** Width of the band along the seam of such a hole that is then filled again at its own scale. */
export function band(trainingSize: number): number {
  return Math.max(MIN_BAND, trainingSize >> 4);
}

/** Maximum side of holes of a depth that get texture at once; larger ones are split. */
export function maxTextureSide(depth: number): number {
  return depth === Infinity ? TEXTURE_SIDE : Math.max(TEXTURE_SIDE, Math.floor(TEXTURE_SIDE_PER_DEPTH * depth));
}

/** Margin of a window for holes of a depth whose longer side is `side`. */
export function textureMargin(depth: number, side: number): number {
  return Math.max(TEXTURE_MARGIN, Math.floor(Math.min(side, TEXTURE_MARGIN_PER_DEPTH * depth)));
}

/** Patch radius for a hole depth and the share of holes in the window. */
export function patchRadius(depth: number, share: number): number {
  const [small, large] = PATCH_RADII;
  return depth <= THIN_PATCHES || share > MANY_HOLES ? small : large;
}
