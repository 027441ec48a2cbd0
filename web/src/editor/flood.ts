/**
 * The pixels round a point that are connected and of like colour, read and compared tile by tile as they are reached.
 *
 * Colours are compared in OKLab (Björn Ottosson, A perceptual color space for image processing, 2020).
 */

import type { Piece, Rect } from "../engine/engine";
import { breathe } from "./pace";
import { type Size, union } from "./steps";
import type { Point } from "./viewport";

/** Levels for a difference of 1 in OKLab, that of black and white; larger ones than 255 levels are all the same. */
const LEVELS = 500;
const MAX_LEVEL = 255;

/** Red, green, blue and alpha of a part of a photo. */
export type Read = (rect: Rect) => Promise<Uint8ClampedArray>;

/** A tile that was read. */
interface Tile {
  rect: Rect;
  /** Levels by which each pixel differs from the clicked one. */
  levels: Uint8Array;
}

/** The part of a patch on a tile. */
interface Part {
  tile: Tile;
  mask: Uint8Array<ArrayBuffer>;
  /** Indices of pixels to go on from. */
  starts: number[];
}

/** The differences of a photo's pixels from the colour of one of them. */
export class Likeness {
  readonly #tiles = new Map<number, Promise<Tile>>();
  readonly #columns: number;
  #colour: Float64Array | null = null;

  /** @param side - of tiles in pixels */
  constructor(
    private readonly photo: Size,
    private readonly from: Point,
    private readonly read: Read,
    private readonly side: number,
  ) {
    this.#columns = Math.ceil(photo.width / side);
  }

  /**
   * The connected pixels that differ by at most a tolerance; the clicked one always is.
   *
   * @param tolerance - in percent of the largest difference
   */
  async patch(tolerance: number, signal?: AbortSignal): Promise<Piece> {
    const most = Math.min(MAX_LEVEL - 1, Math.round((tolerance / 100) * MAX_LEVEL));
    const parts = new Map<number, Part>();
    const waiting: Part[] = [];
    const go = async (x: number, y: number): Promise<void> => {
      const number = Math.floor(y / this.side) * this.#columns + Math.floor(x / this.side);
      const part = parts.get(number) ?? startPart(await this.#tile(number));
      parts.set(number, part);
      if (part.starts.length === 0) waiting.push(part);
      part.starts.push((y - part.tile.rect.top) * part.tile.rect.width + x - part.tile.rect.left);
    };
    await go(this.from.x, this.from.y);
    for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
      signal?.throwIfAborted();
      const starts = part.starts.splice(0);
      for (const [x, y] of bordersOf(part.tile.rect, spread(part, starts, most), this.photo)) await go(x, y);
      await breathe();
    }
    return pieceOf([...parts.values()]);
  }

  #tile(number: number): Promise<Tile> {
    const tile = this.#tiles.get(number) ?? this.#readTile(number);
    this.#tiles.set(number, tile);
    tile.catch(() => this.#tiles.delete(number));
    return tile;
  }

  async #readTile(number: number): Promise<Tile> {
    const [left, top] = [(number % this.#columns) * this.side, Math.floor(number / this.#columns) * this.side];
    const width = Math.min(this.side, this.photo.width - left);
    const rect = { left, top, width, height: Math.min(this.side, this.photo.height - top) };
    const rgba = await this.read(rect);
    this.#colour ??= colourAt(rgba, 4 * ((this.from.y - top) * width + this.from.x - left));
    return { rect, levels: await differences(rgba, this.#colour) };
  }
}

function startPart(tile: Tile): Part {
  return { tile, mask: new Uint8Array(tile.levels.length), starts: [] };
}

/**
 * Mark all pixels of a tile that are connected with some of them, a span of a row at a time.
 *
 * @returns the pixels at the tile's edges among them
 */
function spread({ tile, mask }: Part, starts: number[], most: number): number[] {
  const { rect, levels } = tile;
  const edges: number[] = [];
  const stack = starts;
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    if (mask[at] !== 0 || levels[at] > most) continue;
    const row = at - (at % rect.width);
    const end = row + rect.width;
    let [first, last] = [at, at + 1];
    while (first > row && levels[first - 1] <= most) first--;
    while (last < end && levels[last] <= most) last++;
    mask.fill(255, first, last);
    if (row === 0 || end === mask.length) for (let pixel = first; pixel < last; pixel++) edges.push(pixel);
    else {
      if (first === row) edges.push(first);
      if (last === end) edges.push(last - 1);
    }
    for (const other of [-rect.width, rect.width]) {
      if (row + other < 0 || row + other >= mask.length) continue;
      let was = false;
      for (let pixel = first + other; pixel < last + other; pixel++) {
        const is = mask[pixel] === 0 && levels[pixel] <= most;
        if (is && !was) stack.push(pixel);
        was = is;
      }
    }
  }
  return edges;
}

/** The pixels of other tiles beside those at a tile's edges. */
function* bordersOf(rect: Rect, edges: number[], photo: Size): Generator<[number, number]> {
  for (const at of edges) {
    const [column, row] = [at % rect.width, Math.floor(at / rect.width)];
    const [x, y] = [rect.left + column, rect.top + row];
    if (column === 0 && x > 0) yield [x - 1, y];
    if (column === rect.width - 1 && x + 1 < photo.width) yield [x + 1, y];
    if (row === 0 && y > 0) yield [x, y - 1];
    if (row === rect.height - 1 && y + 1 < photo.height) yield [x, y + 1];
  }
}

function pieceOf(parts: Part[]): Piece {
  const rect = parts.map(({ tile }) => tile.rect).reduce(union);
  const mask = new Uint8Array(rect.width * rect.height);
  for (const { tile, mask: own } of parts) {
    for (let row = 0; row < tile.rect.height; row++) {
      const to = (tile.rect.top - rect.top + row) * rect.width + tile.rect.left - rect.left;
      mask.set(own.subarray(row * tile.rect.width, (row + 1) * tile.rect.width), to);
    }
  }
  return { rect, mask };
}

// ---------------------------------------------------------------- colours

/** 8-bit sRGB as linear light. */
const LINEAR = Float64Array.from({ length: 256 }, (_, level) => {
  const share = level / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
});

/** L, a and b of a pixel, and its alpha; written to an array, because there are millions. */
export function colourAt(rgba: ArrayLike<number>, at: number, colour = new Float64Array(4)): Float64Array {
  const [red, green, blue] = [LINEAR[rgba[at]], LINEAR[rgba[at + 1]], LINEAR[rgba[at + 2]]];
  const long = Math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue);
  const middle = Math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue);
  const short = Math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue);
  colour[0] = 0.2104542553 * long + 0.793617785 * middle - 0.0040720468 * short;
  colour[1] = 1.9779984951 * long - 2.428592205 * middle + 0.4505937099 * short;
  colour[2] = 0.0259040371 * long + 0.7827717662 * middle - 0.808675766 * short;
  colour[3] = rgba[at + 3];
  return colour;
}

/** Levels by which two colours differ; transparent pixels have none, and are like each other alone. */
export function difference(one: Float64Array, other: Float64Array): number {
  if (one[3] === 0 || other[3] === 0) return one[3] === other[3] ? 0 : MAX_LEVEL;
  const apart = Math.sqrt((one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2 + (one[2] - other[2]) ** 2);
  return Math.min(MAX_LEVEL, Math.round(LEVELS * apart));
}

async function differences(rgba: Uint8ClampedArray, colour: Float64Array): Promise<Uint8Array> {
  const own = new Float64Array(4);
  const words = new Uint32Array(rgba.buffer, rgba.byteOffset, rgba.length / 4);
  const levels = new Uint8Array(words.length);
  for (let at = 0; at < words.length; at++) {
    // Neighbours are often equal.
    if (at > 0 && words[at] === words[at - 1]) levels[at] = levels[at - 1];
    else levels[at] = difference(colourAt(rgba, 4 * at, own), colour);
    if (at % 100_000 === 0) await breathe();
  }
  return levels;
}
