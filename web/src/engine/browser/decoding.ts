/** Decoding of picture files by the browser: upright, in 8 bits, in sRGB. */

import shared from "../../shared.json";
import { writtenMargins } from "../margins";
import { extended } from "./extending";
import { hasManyScans, isJpeg } from "./jpeg";
import type { Size } from "./pixels";
import type { Source } from "./protocol";
import { NotedError } from "./protocol";

/** Pixels that are read at once: some browsers limit the size of canvases. */
const MAX_PIXELS = 1_000_000;

/** Maximum side of the view of a photo. */
const { VIEW_SIZE } = shared.view;

/** A photo, row by row, 4 bytes a pixel. */
export interface Decoded {
  width: number;
  height: number;
  rgba: Pixels;
}

/** Red, green, blue and alpha, a byte each. */
export type Pixels = Uint8ClampedArray<ArrayBuffer>;

/** Decode a picture; the caller closes it. */
export async function decode(file: File): Promise<ImageBitmap> {
  const start = new Uint8Array(await file.slice(0, 3).arrayBuffer());
  if (isJpeg(start) && hasManyScans(new Uint8Array(await file.arrayBuffer()))) {
    throw new NotedError({ key: "browser_many_scans" });
  }
  try {
    return await createImageBitmap(file);
  } catch {
    throw new NotedError({ key: "browser_unreadable" });
  }
}

/** A picture reduced to the size of the view. */
export async function view(picture: ImageBitmap): Promise<ImageBitmap> {
  const scale = Math.min(1, VIEW_SIZE / Math.max(picture.width, picture.height));
  if (scale === 1) return picture;
  const resizeWidth = Math.max(1, Math.round(scale * picture.width));
  const resizeHeight = Math.max(1, Math.round(scale * picture.height));
  return createImageBitmap(picture, { resizeWidth, resizeHeight, resizeQuality: "high" });
}

export function readPixels(picture: ImageBitmap): Decoded {
  const { width, height } = picture;
  const rgba = new Uint8ClampedArray(4 * width * height);
  const rows = Math.min(height, Math.max(1, Math.floor(MAX_PIXELS / width)));
  const context = contextOf(new OffscreenCanvas(width, rows), true);
  for (let top = 0; top < height; top += rows) {
    context.clearRect(0, 0, width, rows);
    context.drawImage(picture, 0, -top);
    const strip = context.getImageData(0, 0, width, Math.min(rows, height - top));
    rgba.set(strip.data, 4 * width * top);
  }
  return { width, height, rgba };
}

export function contextOf(canvas: OffscreenCanvas, read: boolean): OffscreenCanvasRenderingContext2D {
  const context = canvas.getContext("2d", { willReadFrequently: read });
  if (context === null) throw new RangeError("no canvas of this size");
  return context;
}

/** Pixels as a bitmap, reduced by an integer factor. */
export async function bitmapOf({ rect, rgba }: { rect: Size; rgba: Pixels }, reduction = 1): Promise<ImageBitmap> {
  const picture = new ImageData(rgba, rect.width, rect.height);
  if (reduction === 1) return createImageBitmap(picture);
  const resizeWidth = Math.max(1, Math.round(rect.width / reduction));
  const resizeHeight = Math.max(1, Math.round(rect.height / reduction));
  return createImageBitmap(picture, { resizeWidth, resizeHeight, resizeQuality: "high" });
}

/** The last photo stays decoded, with its margins. */
export class LastDecoded {
  private last: { key: string; decoded: Promise<Decoded> } | null = null;

  of({ id, file, margins }: Source): Promise<Decoded> {
    const key = `${id} ${writtenMargins(margins)}`;
    if (this.last?.key === key) return this.last.decoded;
    const last = { key, decoded: decodedPixels(file).then((photo) => extended(photo, margins)) }; // never two are kept
    this.last = last;
    last.decoded.catch(() => {
      if (this.last === last) this.last = null;
    });
    return last.decoded;
  }
}

async function decodedPixels(file: File): Promise<Decoded> {
  const picture = await decode(file);
  try {
    return readPixels(picture);
  } finally {
    picture.close();
  }
}

/** Decode a mask file as 255 and 0; see `maskOf`. */
export async function readMask(file: File, width: number, height: number): Promise<Uint8Array<ArrayBuffer>> {
  const picture = await decode(file);
  if (picture.width !== width || picture.height !== height) {
    const values = { mask: `${picture.width} × ${picture.height}`, photo: `${width} × ${height}` };
    throw new NotedError({ key: "browser_mask_size", values });
  }
  const { rgba } = readPixels(picture);
  picture.close();
  return maskOf(rgba);
}

const { THRESHOLD } = shared.masks;
const { GREY_SPREAD, COLOURED_SHARE } = shared.mask_files;

/**
 * The mask in a picture: white (128 and above) is the hole, transparent pixels are not. Of strokes on a transparent
 * layer, in any colour: the pixels covered by half or more. As `Decoded.mask` in `onar/imaging/decoding.py`.
 */
export function maskOf(rgba: Uint8ClampedArray): Uint8Array<ArrayBuffer> {
  const mask = new Uint8Array(rgba.length / 4);
  const painted = isPainted(rgba);
  for (let pixel = 0, at = 0; pixel < mask.length; pixel++, at += 4) {
    const level = painted ? rgba[at + 3] * 255 : brightness(rgba, at) * rgba[at + 3];
    if (level >= THRESHOLD * 255) mask[pixel] = 255;
  }
  return mask;
}

/** As Pillow computes it. */
function brightness(rgba: Uint8ClampedArray, at: number): number {
  return (19595 * rgba[at] + 38470 * rgba[at + 1] + 7471 * rgba[at + 2] + 0x8000) >> 16;
}

/** Whether a picture is a transparent layer with strokes, not a black-and-white mask. */
function isPainted(rgba: Uint8ClampedArray): boolean {
  let seen = 0;
  let coloured = 0;
  let bright = 0;
  for (let at = 0; at < rgba.length; at += 4) {
    if (rgba[at + 3] < THRESHOLD) continue;
    const [red, green, blue] = [rgba[at], rgba[at + 1], rgba[at + 2]];
    seen++;
    if (Math.max(red, green, blue) - Math.min(red, green, blue) > GREY_SPREAD) coloured++;
    if (brightness(rgba, at) >= THRESHOLD) bright++;
  }
  if (seen === 0 || 4 * seen === rgba.length) return false;
  if (coloured > COLOURED_SHARE * seen) return true;
  return bright === 0 || bright === seen; // unlike Python, canvases drop the colours of transparent pixels
}
