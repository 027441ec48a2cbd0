/** The steps of a mask as pixels of the photo itself: what the engine gets, and what is saved. */

import type { Hole, Rect } from "../engine/engine";
import { type Bitmap, drawStep, extentOf, PAINT, type Size, type Step } from "./steps";

/** A pixel is marked when half of it is covered; of an opacity of 255. */
const HALF = 128;
/** Large masks are drawn in bands: some browsers have no canvas of more pixels than 16 million. */
const BAND_PIXELS = 4_000_000;
/** Bitmaps of more pixels are shown with fewer. */
const SHOWN_PIXELS = 4_000_000;

/** What is marked, in the smallest rectangle that holds it; null when nothing is. */
export function holeOf(steps: readonly Step[], photo: Size): Hole | null {
  const extent = extentOf(steps, photo);
  return extent === null ? null : tightened({ rect: extent, mask: rasterise(steps, extent, photo) });
}

/** 255 where the steps mark a pixel of `rect`, else 0; row by row. */
export function rasterise(steps: readonly Step[], rect: Rect, photo: Size): Uint8Array<ArrayBuffer> {
  const mask = new Uint8Array(rect.width * rect.height);
  const rows = Math.max(1, Math.floor(BAND_PIXELS / rect.width));
  for (let top = 0; top < rect.height; top += rows) {
    const height = Math.min(rows, rect.height - top);
    const band = { left: rect.left, top: rect.top + top, width: rect.width, height };
    mask.set(rasteriseBand(steps, band, photo), top * rect.width);
  }
  return mask;
}

function rasteriseBand(steps: readonly Step[], band: Rect, photo: Size): Uint8Array<ArrayBuffer> {
  const canvas = new OffscreenCanvas(band.width, band.height);
  const context = canvas.getContext("2d", { willReadFrequently: true }) as OffscreenCanvasRenderingContext2D;
  context.translate(-band.left, -band.top);
  for (const step of steps) {
    if (step.kind === "bitmap") putBitmap(context, step, band);
    else if (step.kind === "inversion") invert(context, band);
    else drawStep(context, step, photo);
  }
  return marked(context, band);
}

/** 255 for every pixel of a canvas that is covered by half or more, else 0. */
function marked(context: OffscreenCanvasRenderingContext2D, { width, height }: Size): Uint8Array<ArrayBuffer> {
  const { data } = context.getImageData(0, 0, width, height);
  const mask = new Uint8Array(width * height);
  for (let at = 0; at < mask.length; at++) mask[at] = data[4 * at + 3] >= HALF ? 255 : 0;
  return mask;
}

/** Whole pixels change sides: of one that is half covered, both halves would be half. */
function invert(context: OffscreenCanvasRenderingContext2D, size: Size): void {
  const mask = marked(context, size).map((level) => 255 - level);
  context.putImageData(new ImageData(coloured(mask), size.width), 0, 0);
}

/** A bitmap's own pixels, which its image may have fewer of. */
function putBitmap(context: OffscreenCanvasRenderingContext2D, { rect, mask }: Bitmap, band: Rect): void {
  const first = Math.max(0, band.top - rect.top);
  const last = Math.min(rect.height, band.top + band.height - rect.top);
  if (first >= last) return;
  const part = mask.subarray(first * rect.width, last * rect.width);
  context.putImageData(new ImageData(coloured(part), rect.width), rect.left - band.left, rect.top + first - band.top);
}

/** RGBA in the paint's colour: a mask is its opacity. */
function coloured(mask: Uint8Array): Uint8ClampedArray<ArrayBuffer> {
  const colour = Number.parseInt(PAINT.slice(1), 16);
  const pixels = new Uint8ClampedArray(4 * mask.length);
  const words = new DataView(pixels.buffer);
  for (let at = 0; at < mask.length; at++) if (mask[at]) words.setUint32(4 * at, (colour << 8) | 255);
  return pixels;
}

/** A mask of pixels as a step; null when nothing is marked. */
export function bitmapOf(hole: Hole): Bitmap | null {
  const tight = tightened(hole);
  if (tight === null) return null;
  const { rect, mask } = tight;
  const every = Math.ceil(Math.sqrt((rect.width * rect.height) / SHOWN_PIXELS));
  const size = { width: Math.ceil(rect.width / every), height: Math.ceil(rect.height / every) };
  const image = new OffscreenCanvas(size.width, size.height);
  const context = image.getContext("2d") as OffscreenCanvasRenderingContext2D;
  context.putImageData(new ImageData(coloured(thinned(mask, rect, size, every)), size.width), 0, 0);
  return { kind: "bitmap", rect, mask, image };
}

/** One pixel of every so many a side. */
function thinned(mask: Uint8Array<ArrayBuffer>, rect: Size, size: Size, every: number): Uint8Array {
  if (every === 1) return mask;
  const thin = new Uint8Array(size.width * size.height);
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) thin[y * size.width + x] = mask[y * every * rect.width + x * every];
  }
  return thin;
}

/** The smallest rectangle round what is marked; null when nothing is. */
function tightened({ rect, mask }: Hole): Hole | null {
  let [left, top, right, bottom] = [rect.width, -1, 0, 0];
  for (let y = 0; y < rect.height; y++) {
    const row = mask.subarray(y * rect.width, (y + 1) * rect.width);
    const first = row.indexOf(255);
    if (first < 0) continue;
    if (top < 0) top = y;
    bottom = y + 1;
    left = Math.min(left, first);
    right = Math.max(right, row.lastIndexOf(255) + 1);
  }
  if (top < 0) return null;
  const tight = { left: rect.left + left, top: rect.top + top, width: right - left, height: bottom - top };
  const cut = new Uint8Array(tight.width * tight.height);
  for (let y = 0; y < tight.height; y++) {
    const from = (top + y) * rect.width + left;
    cut.set(mask.subarray(from, from + tight.width), y * tight.width);
  }
  return { rect: tight, mask: cut };
}

/** What is marked as a picture of the photo's size: white on black. */
export async function maskPicture(steps: readonly Step[], photo: Size): Promise<Blob> {
  const canvas = new OffscreenCanvas(photo.width, photo.height);
  const context = canvas.getContext("2d", { alpha: false }) as OffscreenCanvasRenderingContext2D;
  const hole = holeOf(steps, photo);
  if (hole !== null) {
    const pixels = new Uint8ClampedArray(4 * hole.mask.length);
    for (let at = 0; at < hole.mask.length; at++) {
      pixels.fill(hole.mask[at], 4 * at, 4 * at + 3);
      pixels[4 * at + 3] = 255;
    }
    context.putImageData(new ImageData(pixels, hole.rect.width), hole.rect.left, hole.rect.top);
  }
  return canvas.convertToBlob({ type: "image/png" });
}
