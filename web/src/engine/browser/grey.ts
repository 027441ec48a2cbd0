/** Black-and-white photos, which are often stored in colour; as `onar/imaging/grey.py`. */

import shared from "../../shared.json";

const { GREY_LEVELS } = shared.grey;

/**
 * Whether a photo is black and white: all of its pixels that count are grey, and there are some.
 *
 * @param pixels - H·W·`channels`, red, green and blue first
 * @param counts - whether a pixel counts: not in holes, and not where it is transparent
 */
export function isGrey(pixels: ArrayLike<number>, channels: number, counts: (pixel: number) => boolean): boolean {
  let any = false;
  for (let pixel = 0, at = 0; at < pixels.length; pixel++, at += channels) {
    if (!counts(pixel)) continue;
    any = true;
    const brightest = Math.max(pixels[at], pixels[at + 1], pixels[at + 2]);
    if (brightest - Math.min(pixels[at], pixels[at + 1], pixels[at + 2]) > GREY_LEVELS) return false;
  }
  return any;
}

/** Brightness of the pixel whose channels start at `at`, as OpenCV converts colours to grey. */
export function greyOf(pixels: ArrayLike<number>, at: number): number {
  return (9798 * pixels[at] + 19235 * pixels[at + 1] + 3735 * pixels[at + 2] + 16384) >> 15;
}
