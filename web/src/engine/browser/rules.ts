/**
 * The rule by which completing chooses: what fills a hole, at which scale, and how much of the photo is shown for it.
 *
 * The numbers are those of `onar/inference/rules.py`, which says what they mean and what they rest on; a test compares.
 * All lengths are pixels.
 */

/** Holes up to this depth are filled by the pyramid. */
export const THIN = 3.5;

/** Holes up to this depth need few surroundings, and no copied texture. */
export const SMALL = 6;

/** A side that any network may get at once. */
export const SMALL_PHOTO = 1024;

/** What a network is shown with holes of that depth: so much on all sides, and at least so much in all, a side. */
export function surroundings(depth: number, trainingSize: number): { margin: number; atLeast: number } {
  if (depth <= SMALL) return { margin: 24, atLeast: 64 };
  return { margin: Math.max(24, trainingSize >> 2), atLeast: Math.max(64, trainingSize) };
}

/** Of a photo or window that a network gets at once. */
export function longestSide(trainingSize: number): number {
  return Math.max(2 * trainingSize, SMALL_PHOTO);
}

/** Depth beyond which a hole is filled at half the scale first. */
export function deepest(trainingSize: number): number {
  return trainingSize >> 2;
}

/** Width of the band along the seam of such a hole that is then filled again at its own scale. */
export function band(trainingSize: number): number {
  return Math.max(8, trainingSize >> 4);
}

/** Holes deeper than that are copied at half the scale, or less, and get their detail back afterwards. */
export const TEXTURE_DEPTH = 64;

/** Longest side of what gets texture at once. */
export const TEXTURE_SIDE = 768;

/** The least that is shown of what is round it. */
export const TEXTURE_MARGIN = 32;

/** Longest side of holes of that depth that get texture at once; longer ones are cut. */
export function textureSide(depth: number): number {
  return depth === Infinity ? TEXTURE_SIDE : Math.max(TEXTURE_SIDE, Math.floor(6 * depth));
}

/** Holes nearer than that get texture together. */
export const TEXTURE_NEAR = 32;

/** Radius of the patches for holes of that depth that are such a share of what is shown. */
export function patchRadius(depth: number, share: number): number {
  return depth <= 32 || share > 0.3 ? 2 : 4;
}

/** Radius of the patches at half the scale. */
export const COARSE_RADIUS = 3;
