/** Dilation and erosion of a mask. */

import type { Piece, Rect } from "../engine/engine";
import { inBands } from "./pace";
import { type Size, within } from "./steps";

/**
 * Dilate: mark every pixel within `reach` pixels of a marked one.
 *
 * Euclidean distance between pixel centres. One pass along columns, one along rows; the time does not
 * depend on the reach. Both yield to the page.
 */
export async function grow(hole: Piece, reach: number, photo: Size): Promise<Piece> {
  const wide = {
    left: hole.rect.left - reach,
    top: hole.rect.top - reach,
    width: hole.rect.width + 2 * reach,
    height: hole.rect.height + 2 * reach,
  };
  const rect = within(wide, photo) as Rect;
  const distances = await columnDistances(hole, rect, reach);
  const mask = new Uint8Array(rect.width * rect.height);
  const halfWidths = Array.from({ length: reach + 1 }, (_, down) => Math.floor(Math.sqrt(reach ** 2 - down ** 2)));
  const changes = new Int32Array(rect.width + 1);
  await inBands(rect, (top, bottom) => {
    for (let y = top; y < bottom; y++) {
      const row = distances.subarray(y * rect.width, (y + 1) * rect.width);
      markRow(row, halfWidths, changes, mask.subarray(y * rect.width, (y + 1) * rect.width));
    }
  });
  return { rect, mask };
}

/** Erode: unmark every pixel within `reach` pixels of an unmarked one. */
export async function shrink(hole: Piece, reach: number, photo: Size): Promise<Piece> {
  const { left, top, width, height } = hole.rect;
  const rect = within({ left: left - 1, top: top - 1, width: width + 2, height: height + 2 }, photo) as Rect;
  const around = new Uint8Array(rect.width * rect.height).fill(255);
  await inBands(hole.rect, (first, last) => {
    for (let y = first; y < last; y++) {
      const from = (top + y - rect.top) * rect.width + left - rect.left;
      for (let x = 0; x < width; x++) around[from + x] = 255 - hole.mask[y * width + x];
    }
  });
  const inside = { left: 0, top: 0, width: rect.width, height: rect.height };
  const { mask } = await grow({ rect: inside, mask: around }, reach, rect);
  await inBands(rect, (first, last) => {
    for (let at = first * rect.width; at < last * rect.width; at++) mask[at] = 255 - mask[at];
  });
  return { rect, mask };
}

/** Distance of each pixel of `rect` to the nearest marked one of its column, at most reach + 1. */
async function columnDistances(hole: Piece, rect: Rect, reach: number): Promise<Uint16Array> {
  const { width, height } = rect;
  const distances = new Uint16Array(width * height).fill(reach + 1);
  await inBands(hole.rect, (top, bottom) => {
    for (let y = top; y < bottom; y++) {
      const from = (hole.rect.top + y - rect.top) * width + hole.rect.left - rect.left;
      for (let x = 0; x < hole.rect.width; x++) if (hole.mask[y * hole.rect.width + x]) distances[from + x] = 0;
    }
  });
  await inBands(rect, (top, bottom) => {
    for (let at = Math.max(1, top) * width; at < bottom * width; at++) {
      distances[at] = Math.min(distances[at], distances[at - width] + 1);
    }
  });
  const last = (height - 1) * width - 1; // from the row above the last one up
  await inBands(rect, (top, bottom) => {
    for (let at = last - top * width; at > last - bottom * width && at >= 0; at--) {
      distances[at] = Math.min(distances[at], distances[at + width] + 1);
    }
  });
  return distances;
}

/** Each pixel of a row marks as many on both sides as the disc is wide at its distance. */
function markRow(distances: Uint16Array, halfWidths: number[], changes: Int32Array, marked: Uint8Array): void {
  changes.fill(0);
  for (let x = 0; x < distances.length; x++) {
    if (distances[x] >= halfWidths.length) continue;
    const half = halfWidths[distances[x]];
    changes[Math.max(0, x - half)]++;
    changes[Math.min(distances.length, x + half + 1)]--;
  }
  let open = 0;
  for (let x = 0; x < marked.length; x++) {
    open += changes[x];
    marked[x] = open > 0 ? 255 : 0;
  }
}
