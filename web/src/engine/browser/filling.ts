/** Filling a photo that may be partly transparent; as `fill_visible` in `onar/inference/holes.py`. */

import shared from "../../shared.json";
import type { Hole, Rect } from "../engine";
import { withMargin } from "../patches";
import type { Decoded } from "./decoding";
import { greyOf, isGrey } from "./grey";
import type { Lying } from "./protocol";

const { MAX_CONTEXT } = shared.visible;

const OPAQUE = 255;
const HOLE = 255;

/** Photo H·W·3 and hole H·W (255 = hole) in, the photo with its holes filled out. */
export type Complete = (photo: Uint8Array, hole: Uint8Array) => Promise<Uint8Array>;

/**
 * Fill a hole.
 *
 * @param photo - with all earlier fills
 * @param grey - whether the photo's file is grey; fills of grey and black-and-white photos are grey
 * @returns 4 bytes a pixel, piece after piece; alpha is 255 where something was filled, 0 elsewhere
 */
export async function fillVisible(
  photo: Decoded,
  hole: Hole,
  grey: boolean,
  complete: Complete,
): Promise<Uint8ClampedArray<ArrayBuffer>> {
  const { width, height, rgba } = photo;
  const filled = new Uint8ClampedArray(4 * hole.reduce((sum, { mask }) => sum + mask.length, 0));
  const shown = new Uint8Array(width * height);
  let any = false;
  for (const { rect, mask } of hole) {
    for (let place = 0; place < mask.length; place++) {
      const at = placeIn(rect, width, place);
      if (mask[place] === 0 || rgba[4 * at + 3] === 0) continue; // what is transparent is not seen
      shown[at] = HOLE;
      any = true;
    }
  }
  if (!any) return filled;
  const completed = await complete(rgbOf(rgba), unknownTo(photo, shown));
  const inGrey = grey || isGrey(rgba, 4, (pixel) => shown[pixel] === 0 && rgba[4 * pixel + 3] !== 0);
  let to = 0;
  for (const { rect, mask } of hole) {
    for (let place = 0; place < mask.length; place++, to += 4) {
      const at = placeIn(rect, width, place);
      if (mask[place] === 0 || shown[at] === 0) continue;
      for (let channel = 0; channel < 3; channel++) filled[to + channel] = completed[3 * at + channel];
      filled[to + 3] = OPAQUE;
      if (inGrey) filled.fill(greyOf(filled, to), to, to + 3);
    }
  }
  return filled;
}

/** Whether nothing was filled. */
export function isEmpty(filled: Uint8ClampedArray): boolean {
  for (let alpha = 3; alpha < filled.length; alpha += 4) if (filled[alpha] !== 0) return false;
  return true;
}

/** Index in the photo of a pixel of a rectangle. */
function placeIn(rect: Rect, width: number, place: number): number {
  const row = Math.floor(place / rect.width);
  return (rect.top + row) * width + rect.left + place - row * rect.width;
}

function rgbOf(rgba: Uint8ClampedArray): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from];
    rgb[to + 1] = rgba[from + 1];
    rgb[to + 2] = rgba[from + 2];
  }
  return rgb;
}

/** The holes, and transparent pixels near them, whose colours are arbitrary. */
function unknownTo({ width, height, rgba }: Decoded, shown: Uint8Array): Uint8Array {
  let sight: Uint8Array | null = null;
  const unknown = shown.slice();
  for (let at = 0; at < unknown.length; at++) {
    if (rgba[4 * at + 3] !== 0) continue;
    sight ??= inSightOf(shown, width, height);
    if (sight[at] !== 0) unknown[at] = HOLE;
  }
  return unknown;
}

/** Pixels within `MAX_CONTEXT` rows and columns of a hole. */
function inSightOf(hole: Uint8Array, width: number, height: number): Uint8Array {
  const across = new Uint8Array(hole.length);
  for (let row = 0; row < height; row++) spread(hole, across, row * width, 1, width);
  const all = new Uint8Array(hole.length);
  for (let column = 0; column < width; column++) spread(across, all, column, width, height);
  return all;
}

/** Dilate holes on one line of `count` pixels, `step` apart, by `MAX_CONTEXT`. */
function spread(from: Uint8Array, to: Uint8Array, start: number, step: number, count: number): void {
  for (const [first, stride] of [
    [start, step],
    [start + (count - 1) * step, -step],
  ]) {
    let left = 0; // pixels that are still in sight of the last hole
    for (let index = 0, at = first; index < count; index++, at += stride) {
      left = from[at] !== 0 ? MAX_CONTEXT + 1 : left - 1;
      if (left > 0) to[at] = HOLE;
    }
  }
}

/** A photo with fills on it, in order; the photo itself when there are none. */
export async function withFills(photo: Decoded, fills: Lying[]): Promise<Decoded> {
  if (fills.length === 0) return photo;
  const all = { rgba: photo.rgba.slice(), rect: { left: 0, top: 0, width: photo.width, height: photo.height } };
  for (const { rects, content } of fills) lay(new Uint8Array(await content.arrayBuffer()), rects, all);
  return { ...photo, rgba: all.rgba };
}

/** A rectangle of a photo, 4 bytes a pixel. */
interface Part {
  rect: Rect;
  rgba: Uint8ClampedArray<ArrayBuffer>;
}

/**
 * Copy the colours of fills, piece by piece, to their places on a part of the photo.
 *
 * @param onPixel - called with the index of each copied pixel in the part
 */
function lay(
  filled: Uint8Array | Uint8ClampedArray,
  rects: readonly Rect[],
  { rect: part, rgba }: Part,
  onPixel?: (at: number) => void,
): void {
  let start = 0;
  for (const rect of rects) {
    const [first, top] = [Math.max(0, part.left - rect.left), Math.max(0, part.top - rect.top)];
    const last = Math.min(rect.width, part.left + part.width - rect.left);
    const bottom = Math.min(rect.height, part.top + part.height - rect.top);
    for (let row = top; row < bottom; row++) {
      let from = start + 4 * (row * rect.width + first);
      let to = 4 * ((rect.top + row - part.top) * part.width + rect.left + first - part.left);
      for (let column = first; column < last; column++, from += 4, to += 4) {
        if (filled[from + 3] === 0) continue;
        for (let channel = 0; channel < 3; channel++) rgba[to + channel] = filled[from + channel];
        onPixel?.(to);
      }
    }
    start += 4 * rect.width * rect.height;
  }
}

/**
 * A fill for display: with the photo's transparency, and the opaque pixels around it.
 *
 * @param photo - with all earlier fills
 */
export function shownFill(filled: Uint8ClampedArray, rects: readonly Rect[], photo: Decoded): Part[] {
  return rects.map((rect) => {
    const part = crop(photo, withMargin(rect, photo));
    const seen = part.rgba.slice();
    // Translucent pixels would not fully hide the photo below.
    for (let alpha = 3; alpha < seen.length; alpha += 4) if (seen[alpha] !== OPAQUE) part.rgba[alpha] = 0;
    lay(filled, rects, part, (at) => {
      part.rgba[at + 3] = seen[at + 3];
    });
    return part;
  });
}

/** A rectangle of a photo. */
export function crop({ rgba, width }: Decoded, rect: Rect): Part {
  const part = new Uint8ClampedArray(4 * rect.width * rect.height);
  for (let row = 0; row < rect.height; row++) {
    const from = 4 * ((rect.top + row) * width + rect.left);
    part.set(rgba.subarray(from, from + 4 * rect.width), 4 * row * rect.width);
  }
  return { rect, rgba: part };
}
