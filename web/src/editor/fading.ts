/** Soft edges of strokes. */

import type { Rect } from "../engine/engine";
import { inBands } from "./pace";
import type { Size } from "./steps";

/** Steps between neighbours, straight and diagonal: distances are wrong by up to 8 %, which is not seen. */
const STRAIGHT = 3;
const DIAGONAL = 4;

/**
 * Strengths that grow from the edge of a mask inwards.
 *
 * @param mask - width × height of `rect`, with 0 outside of the mask
 * @param rect - its place in the photo, whose edges are not those of the mask
 * @param reach - pixels over which they grow from 1 to 255
 */
export async function faded(
  mask: Uint8Array,
  rect: Rect,
  reach: number,
  photo: Size,
): Promise<Uint8Array<ArrayBuffer>> {
  const distances = await distancesIn(mask, rect, photo);
  const levels = Uint8Array.from({ length: Math.ceil(STRAIGHT * (reach + 1)) }, (_, distance) => {
    const share = distance / (STRAIGHT * (reach + 1));
    return Math.max(1, Math.round(255 * share ** 2 * (3 - 2 * share)));
  });
  const strengths = new Uint8Array(mask.length);
  await inBands(rect, (top, bottom) => {
    for (let at = top * rect.width; at < bottom * rect.width; at++) {
      if (mask[at] !== 0) strengths[at] = levels[distances[at]] ?? 255;
    }
  });
  return strengths;
}

/** Distance of each pixel to the nearest one outside of the mask, in thirds of a pixel. */
async function distancesIn(mask: Uint8Array, { left, top, width, height }: Rect, photo: Size): Promise<Uint16Array> {
  const [right, bottom] = [left + width === photo.width, top + height === photo.height];
  const far = 65_535 - DIAGONAL;
  const wide = width + 2; // with a margin, which lies outside of the mask, or of the photo
  const distances = new Uint16Array(wide * (height + 2));
  for (let row = -1; row <= height; row++) {
    for (let column = -1; column <= width; column++) {
      const isBeyond =
        (row < 0 && top === 0) ||
        (row === height && bottom) ||
        (column < 0 && left === 0) ||
        (column === width && right);
      const isInside = row >= 0 && row < height && column >= 0 && column < width && mask[row * width + column] !== 0;
      if (isBeyond || isInside) distances[(row + 1) * wide + column + 1] = far;
    }
  }
  const sides = [
    [-1, STRAIGHT],
    [-wide - 1, DIAGONAL],
    [-wide, STRAIGHT],
    [-wide + 1, DIAGONAL],
  ];
  for (const turn of [1, -1]) {
    for (let count = 0; count < width * height; count++) {
      const pixel = turn > 0 ? count : width * height - 1 - count;
      const at = (Math.floor(pixel / width) + 1) * wide + (pixel % width) + 1;
      for (const [step, length] of sides) {
        distances[at] = Math.min(distances[at], distances[at + turn * step] + length);
      }
    }
  }
  const inner = new Uint16Array(width * height);
  for (let row = 0; row < height; row++) {
    const from = (row + 1) * wide + 1;
    inner.set(distances.subarray(from, from + width), row * width);
  }
  return inner;
}
