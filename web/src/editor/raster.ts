/** Rasterising the steps of a mask at the photo's size, for the engine and for files. */

import type { Hole, Piece, Rect } from "../engine/engine";
import { encodePng } from "../engine/png";
import shared from "../shared.json";
import { faded } from "./fading";
import { breathe, inBands } from "./pace";
import { type Bitmap, drawStep, extentOf, intersection, type Maker, PAINT, type Size, type Step, union } from "./steps";

/** A pixel is marked from this opacity on. */
const { THRESHOLD } = shared.masks;
/** Side of the tiles that masks are drawn in: some browsers limit canvases to 16 megapixels. */
const TILE = 1024;
/** Side of the tiles that a hole is split into, so that distant parts cost only their own area. */
const PIECE = 512;
/** Maximum total rows of all pieces of a hole; above, pieces are fewer and larger. */
const MAX_ROWS = 16_384;
/** The paint's colour, opaque. */
const PAINTED = (Number.parseInt(PAINT.slice(1), 16) << 8) | 255;
/** Larger bitmaps are shown reduced. */
const SHOWN_PIXELS = 4_000_000;

/** The marked pixels as small pieces; none when nothing is marked. */
export async function holeOf(steps: readonly Step[], photo: Size): Promise<Hole> {
  const extent = extentOf(steps, photo);
  if (extent === null) return [];
  const canvas = contextOf(Math.min(TILE, extent.width), Math.min(TILE, extent.height));
  const reaches = steps.map((step) => reachOf(step, photo));
  const pieces: Piece[] = [];
  for (const tile of tilesOf(extent, TILE)) {
    const near = steps.filter((_, at) => reaches[at] !== null && intersection(reaches[at], tile) !== null);
    if (extentOf(near, photo) === null) continue;
    const mask = rasterise(canvas, near, tile, photo);
    for (const rect of tilesOf(tile, PIECE)) pieces.push(...tightened({ rect: tile, mask }, rect));
    await breathe();
  }
  return joined(pieces);
}

/**
 * Fade a hole out at its edge, which the photo's own edge is not.
 *
 * @param reach - pixels over which the strength grows to 255
 */
export async function softened(hole: Hole, reach: number, photo: Size): Promise<Hole> {
  if (hole.length === 0 || reach < 1) return hole;
  const { rect, mask } = whole(hole);
  const soft = { rect, mask: await faded(mask, rect, reach, photo) };
  return hole.map((piece) => ({ rect: piece.rect, mask: maskIn(soft, piece.rect) }));
}

/** Tiles that cover a rectangle; those at its right and bottom may be smaller. */
function tilesOf(rect: Rect, side: number): Rect[] {
  const tiles: Rect[] = [];
  for (let top = rect.top; top < rect.top + rect.height; top += side) {
    for (let left = rect.left; left < rect.left + rect.width; left += side) {
      tiles.push(intersection({ left, top, width: side, height: side }, rect) as Rect);
    }
  }
  return tiles;
}

/** The bounding box of a step's changes, erasing included. */
function reachOf(step: Step, photo: Size): Rect | null {
  return extentOf(["erases" in step ? { ...step, erases: false } : step], photo);
}

/** 255 where the steps mark a pixel of `rect`, else 0; row by row. */
function rasterise(
  context: OffscreenCanvasRenderingContext2D,
  steps: readonly Step[],
  rect: Rect,
  photo: Size,
): Uint8Array<ArrayBuffer> {
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, TILE, TILE);
  context.translate(-rect.left, -rect.top);
  for (const step of steps) {
    if (step.kind === "bitmap") putBitmap(context, step, rect);
    else if (step.kind === "inversion") invert(context, rect);
    else drawStep(context, step, photo);
  }
  return marked(context, rect);
}

/** 255 for every pixel of a canvas that is covered by half or more, else 0. */
function marked(context: OffscreenCanvasRenderingContext2D, { width, height }: Size): Uint8Array<ArrayBuffer> {
  const { data } = context.getImageData(0, 0, width, height);
  const mask = new Uint8Array(width * height);
  for (let at = 0; at < mask.length; at++) mask[at] = data[4 * at + 3] >= THRESHOLD ? 255 : 0;
  return mask;
}

/** Invert whole pixels: inverting a half-covered one would leave it half covered. */
function invert(context: OffscreenCanvasRenderingContext2D, size: Size): void {
  const mask = marked(context, size).map((level) => 255 - level);
  context.putImageData(new ImageData(coloured(mask), size.width), 0, 0);
}

/** Add a bitmap at its own size, which its image may be smaller than. */
function putBitmap(context: OffscreenCanvasRenderingContext2D, bitmap: Bitmap, tile: Rect): void {
  const rect = intersection(bitmap.rect, tile);
  if (rect === null) return;
  const [left, top] = [rect.left - tile.left, rect.top - tile.top];
  const part = context.getImageData(left, top, rect.width, rect.height);
  colour(part.data, maskIn(bitmap, rect), bitmap.erases ? 0 : PAINTED);
  context.putImageData(part, left, top);
}

/** The mask of a rectangle within a piece. */
function maskIn({ rect, mask }: Piece, part: Rect): Uint8Array<ArrayBuffer> {
  const cut = new Uint8Array(part.width * part.height);
  for (let row = 0; row < part.height; row++) {
    const from = (part.top - rect.top + row) * rect.width + part.left - rect.left;
    cut.set(mask.subarray(from, from + part.width), row * part.width);
  }
  return cut;
}

/** RGBA in the paint's colour: a mask is its opacity. */
function coloured(mask: Uint8Array): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(4 * mask.length);
  colour(pixels, mask, PAINTED);
  return pixels;
}

/** Set the marked pixels of a picture to a colour, of 4 bytes. */
function colour(pixels: Uint8ClampedArray, mask: Uint8Array, word: number): void {
  const words = new DataView(pixels.buffer);
  for (let at = 0; at < mask.length; at++) if (mask[at]) words.setUint32(4 * at, word);
}

/** A mask of pixels as a step; null when nothing is marked. */
export function bitmapOf(piece: Piece, made: Maker, erases = false): Bitmap | null {
  const [tight] = tightened(piece, piece.rect);
  if (tight === undefined) return null;
  const { rect, mask } = tight;
  const every = Math.ceil(Math.sqrt((rect.width * rect.height) / SHOWN_PIXELS));
  const size = { width: Math.ceil(rect.width / every), height: Math.ceil(rect.height / every) };
  const image = contextOf(size.width, size.height);
  image.putImageData(new ImageData(coloured(blocksOf(mask, rect, size, every)), size.width), 0, 0);
  return { kind: "bitmap", made, erases, rect, mask, image: image.canvas };
}

/** Which blocks of `side` × `side` pixels have a marked one, so that thin lines stay whole. */
function blocksOf(mask: Uint8Array<ArrayBuffer>, rect: Size, size: Size, side: number): Uint8Array {
  if (side === 1) return mask;
  const blocks = new Uint8Array(size.width * size.height);
  for (let y = 0; y < rect.height; y++) {
    const row = mask.subarray(y * rect.width, (y + 1) * rect.width);
    const first = Math.floor(y / side) * size.width;
    for (let x = row.indexOf(255); x >= 0; x = row.indexOf(255, x + 1)) blocks[first + Math.floor(x / side)] = 255;
  }
  return blocks;
}

/** The bounding piece of the marked pixels in a part of a piece; none when nothing is marked. */
function tightened(piece: Piece, part: Rect): Piece[] {
  let [left, top, right, bottom] = [part.width, -1, 0, 0];
  for (let y = 0; y < part.height; y++) {
    const from = (part.top - piece.rect.top + y) * piece.rect.width + part.left - piece.rect.left;
    const row = piece.mask.subarray(from, from + part.width);
    const first = row.indexOf(255);
    if (first < 0) continue;
    if (top < 0) top = y;
    bottom = y + 1;
    left = Math.min(left, first);
    right = Math.max(right, row.lastIndexOf(255) + 1);
  }
  if (top < 0) return [];
  const rect = { left: part.left + left, top: part.top + top, width: right - left, height: bottom - top };
  return [{ rect, mask: maskIn(piece, rect) }];
}

/** Pieces of larger tiles, until they have few enough rows. */
function joined(pieces: Piece[]): Hole {
  let hole = pieces;
  for (let side = 2 * PIECE; rowsOf(hole) > MAX_ROWS; side *= 2) {
    const squares = new Map<string, Piece[]>();
    for (const piece of pieces) {
      const square = `${Math.floor(piece.rect.left / side)},${Math.floor(piece.rect.top / side)}`;
      squares.set(square, [...(squares.get(square) ?? []), piece]);
    }
    hole = [...squares.values()].map(whole);
    if (squares.size === 1) break;
  }
  return hole;
}

function rowsOf(pieces: Piece[]): number {
  return pieces.reduce((rows, { rect }) => rows + rect.height, 0);
}

/** The bounding piece of a hole that is not empty. */
export function whole(hole: Hole): Piece {
  const rect = hole.map((piece) => piece.rect).reduce(union);
  const mask = new Uint8Array(rect.width * rect.height);
  for (const piece of hole) {
    for (let row = 0; row < piece.rect.height; row++) {
      const to = (piece.rect.top - rect.top + row) * rect.width + piece.rect.left - rect.left;
      mask.set(piece.mask.subarray(row * piece.rect.width, (row + 1) * piece.rect.width), to);
    }
  }
  return { rect, mask };
}

/** The mask as a picture of the photo's size: white on black. */
export async function maskPicture(steps: readonly Step[], photo: Size): Promise<Blob> {
  const hole = await holeOf(steps, photo);
  const levels = new Uint8Array(photo.width * photo.height);
  for (const { rect, mask } of hole) {
    await inBands(rect, (top, bottom) => {
      for (let row = top; row < bottom; row++) {
        levels.set(mask.subarray(row * rect.width, (row + 1) * rect.width), (rect.top + row) * photo.width + rect.left);
      }
    });
  }
  return encodePng(photo, 1, (top, count) => levels.subarray(top * photo.width, (top + count) * photo.width));
}

function contextOf(width: number, height: number): OffscreenCanvasRenderingContext2D {
  const canvas = new OffscreenCanvas(width, height);
  return canvas.getContext("2d", { willReadFrequently: true }) as OffscreenCanvasRenderingContext2D;
}
