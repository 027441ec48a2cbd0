/** Clone and heal on pixels; as `onar/fills/cloning.py`, where the source of the method is given. */

import type { Hole, Offset } from "../engine";
import type { Decoded } from "./decoding";
import { CHANNELS, membrane, type Places } from "./membrane";

/** The strength at which a stroke replaces the photo. */
const FULL = 255;

/** Steps to the neighbours of a pixel. */
const AROUND = [
  [-1, 0],
  [1, 0],
  [0, -1],
  [0, 1],
] as const;

/**
 * Paint a stroke.
 *
 * @param photo - with all earlier fills
 * @param stroke - strengths up to 255 in its masks
 * @param offset - from each pixel to its source
 * @param heals - whether the source is fitted to the photo around the stroke
 * @returns 4 bytes a pixel, piece after piece, as `fillVisible`; nothing where the source is not in the photo
 */
export function clone(photo: Decoded, stroke: Hole, offset: Offset, heals: boolean): Uint8ClampedArray<ArrayBuffer> {
  const cloned = new Uint8ClampedArray(4 * stroke.reduce((sum, { mask }) => sum + mask.length, 0));
  const { places, strengths, targets } = painted(photo, stroke, offset);
  const added =
    heals && targets.length > 0 ? membrane(places, ...edge(photo, places, offset), photo.height, photo.width) : null;
  const shift = 4 * (offset.y * photo.width + offset.x);
  for (let pixel = 0; pixel < targets.length; pixel++) {
    const own = 4 * (places.rows[pixel] * photo.width + places.columns[pixel]);
    const share = Math.fround(strengths[pixel] / FULL);
    for (let channel = 0; channel < CHANNELS; channel++) {
      const here = photo.rgba[own + channel];
      const source = photo.rgba[own + shift + channel] + (added?.[CHANNELS * pixel + channel] ?? 0);
      cloned[targets[pixel] + channel] = Math.fround(here + Math.fround(share * Math.fround(source - here)));
    }
    cloned[targets[pixel] + 3] = FULL;
  }
  return cloned;
}

/** The touched pixels that have a source, with their strengths and places in the result. */
function painted({ width, height, rgba }: Decoded, stroke: Hole, { x, y }: Offset) {
  const [rows, columns, strengths, targets]: number[][] = [[], [], [], []];
  let start = 0;
  for (const { rect, mask } of stroke) {
    for (let at = 0; at < mask.length; at++) {
      if (mask[at] === 0) continue;
      const row = rect.top + Math.floor(at / rect.width);
      const column = rect.left + (at % rect.width);
      const [from, beside] = [row + y, column + x];
      if (from < 0 || from >= height || beside < 0 || beside >= width) continue;
      if (rgba[4 * (row * width + column) + 3] === 0 || rgba[4 * (from * width + beside) + 3] === 0) continue;
      rows.push(row);
      columns.push(column);
      strengths.push(mask[at]);
      targets.push(start + 4 * at);
    }
    start += 4 * mask.length;
  }
  return { places: { rows: Int32Array.from(rows), columns: Int32Array.from(columns) }, strengths, targets };
}

/** Sums and degrees for the membrane. */
function edge({ width, height, rgba }: Decoded, { rows, columns }: Places, { x, y }: Offset) {
  const inner = new Uint8Array(width * height);
  for (let pixel = 0; pixel < rows.length; pixel++) inner[rows[pixel] * width + columns[pixel]] = 1;
  const sums = new Float32Array(CHANNELS * rows.length);
  const degrees = new Float32Array(rows.length);
  for (let pixel = 0; pixel < rows.length; pixel++) {
    for (const [across, down] of AROUND) {
      const [row, column] = [rows[pixel] + down, columns[pixel] + across];
      if (row < 0 || row >= height || column < 0 || column >= width) continue;
      const near = row * width + column;
      const source = 4 * (clipped(row + y, height) * width + clipped(column + x, width));
      if (rgba[4 * near + 3] === 0 || rgba[source + 3] === 0) continue;
      degrees[pixel]++;
      if (inner[near] === 1) continue;
      for (let channel = 0; channel < CHANNELS; channel++) {
        sums[CHANNELS * pixel + channel] += rgba[4 * near + channel] - rgba[source + channel];
      }
    }
    degrees[pixel] = Math.max(1, degrees[pixel]);
  }
  return [sums, degrees] as const;
}

/** The nearest index of `count`. */
function clipped(index: number, count: number): number {
  return Math.min(count - 1, Math.max(0, index));
}
