/**
 * The object in a rough lasso, as `onar/masks/outline.py`: an iterated graph cut on its surroundings at a bounded size.
 *
 * Boykov and Jolly, Interactive Graph Cuts, 2001; Rother, Kolmogorov and Blake, GrabCut, 2004. The colour models are
 * smoothed histograms.
 */

import shared from "../../shared.json";
import type { Piece, Rect } from "../engine";
import type { Decoded } from "./decoding";
import { DIRECTIONS, minimumCut } from "./mincut";

const { MAX_CELLS, MARGIN, MIN_MARGIN, ROUNDS, SPECK, MIN_SHARE } = shared.outline;
/** Weight of edges, as in GrabCut. */
const SMOOTHNESS = 50;
/** Bins of a histogram per channel. */
const BINS = 16;
/** Share of colours that no pixel has. */
const RARE = 0.02;
const INSIDE = 1;

/** The surroundings of a lasso, reduced. */
interface Cells {
  width: number;
  height: number;
  /** Red, green and blue of each, from 0 to 255. */
  rgb: Float32Array;
  /** 1 in the lasso. */
  inside: Uint8Array;
}

/** The pixels of the object in a lasso; 255, all in the lasso, and none where no object is found. */
export function outlineOf(photo: Decoded, { rect, mask }: Piece): Uint8Array<ArrayBuffer> {
  const around = surroundings(rect, photo);
  const cells = reduced(photo, around, { rect, mask });
  const found = new Uint8Array(mask.length);
  const count = cells.inside.reduce((sum, one) => sum + one, 0);
  if (count === 0 || count === cells.inside.length) return found;
  const object = withRim(solid(cut(cells), cells), cells);
  const share = object.reduce((sum, one, at) => sum + (one & cells.inside[at]), 0) / count;
  if (share < MIN_SHARE) return found;
  enlarge(object, cells, around, rect, (at) => {
    found[at] = mask[at];
  });
  return found;
}

function surroundings({ left, top, width, height }: Rect, photo: { width: number; height: number }): Rect {
  const margin = Math.max(MIN_MARGIN, Math.round(MARGIN * Math.max(width, height)));
  const [first, above] = [Math.max(0, left - margin), Math.max(0, top - margin)];
  const right = Math.min(photo.width, left + width + margin);
  const bottom = Math.min(photo.height, top + height + margin);
  return { left: first, top: above, width: right - first, height: bottom - above };
}

/** Means of the pixels in each cell. */
function reduced(photo: Decoded, around: Rect, { rect, mask }: Piece): Cells {
  const scale = Math.min(1, Math.sqrt(MAX_CELLS / (around.width * around.height)));
  const width = Math.max(1, Math.round(scale * around.width));
  const height = Math.max(1, Math.round(scale * around.height));
  const rgb = new Float32Array(3 * width * height);
  const pixels = new Uint32Array(width * height);
  const covered = new Uint32Array(width * height);
  for (let y = 0; y < around.height; y++) {
    const line = Math.floor((y * height) / around.height) * width;
    const row = around.top + y - rect.top;
    for (let x = 0; x < around.width; x++) {
      const cell = line + Math.floor((x * width) / around.width);
      const from = 4 * ((around.top + y) * photo.width + around.left + x);
      for (let channel = 0; channel < 3; channel++) rgb[3 * cell + channel] += photo.rgba[from + channel];
      pixels[cell]++;
      const column = around.left + x - rect.left;
      const isIn = row >= 0 && row < rect.height && column >= 0 && column < rect.width;
      if (isIn && mask[row * rect.width + column] !== 0) covered[cell]++;
    }
  }
  const inside = new Uint8Array(pixels.length);
  for (let cell = 0; cell < pixels.length; cell++) {
    for (let channel = 0; channel < 3; channel++) rgb[3 * cell + channel] /= pixels[cell];
    if (2 * covered[cell] >= pixels[cell]) inside[cell] = INSIDE;
  }
  return { width, height, rgb, inside };
}

// ---------------------------------------------------------------- the cut

function cut(cells: Cells): Uint8Array {
  const { width, height, inside } = cells;
  const links = linksOf(cells);
  const bins = binsOf(cells.rgb);
  let object = inside;
  for (let round = 0; round < ROUNDS; round++) {
    const terminals = terminalsOf(bins, object, inside);
    // The first models mix object and ground: strong links would lose the object with them.
    const weight = (round + 1) / ROUNDS;
    object = minimumCut({ width, height, terminals, edges: links.map((link) => link * weight) });
  }
  return object;
}

/** The cost of a border between neighbours: less where colours differ. */
function linksOf({ width, height, rgb }: Cells): Float64Array {
  const links = new Float64Array(8 * width * height);
  let [sum, count] = [0, 0];
  eachLink(width, height, (cell, direction, other) => {
    const squared = apart(rgb, cell, other);
    links[8 * cell + direction] = squared;
    sum += squared;
    count++;
  });
  const beta = sum > 0 ? count / (2 * sum) : 0;
  eachLink(width, height, (cell, direction) => {
    const [x, y] = DIRECTIONS[direction];
    links[8 * cell + direction] = (SMOOTHNESS * Math.exp(-beta * links[8 * cell + direction])) / Math.hypot(x, y);
  });
  return links;
}

function eachLink(
  width: number,
  height: number,
  visit: (cell: number, direction: number, other: number) => void,
): void {
  DIRECTIONS.forEach(([x, y], direction) => {
    for (let row = Math.max(0, -y); row < height - Math.max(0, y); row++) {
      for (let column = Math.max(0, -x); column < width - Math.max(0, x); column++) {
        const cell = row * width + column;
        visit(cell, direction, cell + y * width + x);
      }
    }
  });
}

function apart(rgb: Float32Array, one: number, other: number): number {
  let sum = 0;
  for (let channel = 0; channel < 3; channel++) sum += (rgb[3 * one + channel] - rgb[3 * other + channel]) ** 2;
  return sum;
}

/** The bin of each cell in a histogram. */
function binsOf(rgb: Float32Array): Uint16Array {
  const bins = new Uint16Array(rgb.length / 3);
  for (let cell = 0; cell < bins.length; cell++) {
    for (let channel = 0; channel < 3; channel++) {
      const level = Math.min(BINS - 1, Math.floor((rgb[3 * cell + channel] * BINS) / 256));
      bins[cell] = bins[cell] * BINS + level;
    }
  }
  return bins;
}

/** How much better each cell fits the object than the background: the logarithm of the ratio of likelihoods. */
function terminalsOf(bins: Uint16Array, object: Uint8Array, inside: Uint8Array): Float64Array {
  const of = histogram(bins, (cell) => object[cell] === 1);
  const behind = histogram(bins, (cell) => object[cell] === 0);
  const terminals = new Float64Array(bins.length);
  for (let cell = 0; cell < bins.length; cell++) {
    terminals[cell] = inside[cell] ? Math.log(of[bins[cell]] / behind[bins[cell]]) : -8 * SMOOTHNESS;
  }
  return terminals;
}

/** Shares of colours among some cells, smoothed over neighbouring bins. */
function histogram(bins: Uint16Array, takes: (cell: number) => boolean): Float64Array {
  let shares = new Float64Array(BINS ** 3);
  let count = 0;
  for (let cell = 0; cell < bins.length; cell++) {
    if (!takes(cell)) continue;
    shares[bins[cell]]++;
    count++;
  }
  for (const step of [1, BINS, BINS * BINS]) shares = smoothed(shares, step);
  return shares.map((share) => ((1 - RARE) * share) / Math.max(1, count) + RARE / shares.length);
}

function smoothed(shares: Float64Array, step: number): Float64Array<ArrayBuffer> {
  return Float64Array.from(shares, (share, bin) => {
    const level = Math.floor(bin / step) % BINS;
    const below = level > 0 ? shares[bin - step] : share;
    const above = level < BINS - 1 ? shares[bin + step] : share;
    return (below + 2 * share + above) / 4;
  });
}

// ---------------------------------------------------------------- the object

/** The larger parts of an object, without holes in them. */
function solid(object: Uint8Array, { width, height }: Cells): Uint8Array {
  const whole = object.map((one) => 1 - one);
  const border = partsOf(whole, width, height).filter(({ touches }) => touches);
  whole.fill(1);
  for (const { cells } of border) for (const cell of cells) whole[cell] = 0;
  const parts = partsOf(whole, width, height);
  const largest = parts.reduce((most, { cells }) => Math.max(most, cells.length), 0);
  for (const { cells } of parts) if (cells.length < SPECK * largest) for (const cell of cells) whole[cell] = 0;
  return whole;
}

/** The connected parts of a map, and whether they touch its border. */
function partsOf(map: Uint8Array, width: number, height: number): { cells: number[]; touches: boolean }[] {
  const seen = new Uint8Array(map.length);
  const parts = [];
  for (let start = 0; start < map.length; start++) {
    if (map[start] === 0 || seen[start] !== 0) continue;
    const cells = [start];
    let touches = false;
    seen[start] = 1;
    for (let at = 0; at < cells.length; at++) {
      const [x, y] = [cells[at] % width, Math.floor(cells[at] / width)];
      touches ||= x === 0 || y === 0 || x === width - 1 || y === height - 1;
      const beside = [x > 0 ? -1 : 0, x < width - 1 ? 1 : 0, y > 0 ? -width : 0, y < height - 1 ? width : 0];
      for (const step of beside) {
        const other = cells[at] + step;
        if (map[other] === 0 || seen[other] !== 0) continue;
        seen[other] = 1;
        cells.push(other);
      }
    }
    parts.push({ cells, touches });
  }
  return parts;
}

/** With one more cell on all sides: the rim of an object has colours of both. */
function withRim(object: Uint8Array, { width, height }: Cells): Uint8Array {
  const wider = object.slice();
  eachLink(width, height, (cell, _, other) => {
    if (object[cell] !== 0) wider[other] = 1;
  });
  return wider;
}

/** Visit the pixels of a rectangle in an object, whose cells are enlarged by linear interpolation. */
function enlarge(object: Uint8Array, cells: Cells, around: Rect, rect: Rect, visit: (at: number) => void): void {
  const rows = weightsOf(rect.top - around.top, rect.height, cells.height, around.height);
  const columns = weightsOf(rect.left - around.left, rect.width, cells.width, around.width);
  let at = 0;
  for (const [above, below, down] of rows) {
    const [first, second] = [above * cells.width, below * cells.width];
    for (const [left, right, along] of columns) {
      const upper = object[first + left] * (1 - along) + object[first + right] * along;
      const lower = object[second + left] * (1 - along) + object[second + right] * along;
      if (upper * (1 - down) + lower * down >= 0.5) visit(at);
      at++;
    }
  }
}

/** For each pixel: the cells before and after it, and the share of the latter. */
function weightsOf(start: number, pixels: number, cells: number, all: number): [number, number, number][] {
  return Array.from({ length: pixels }, (_, at) => {
    const place = Math.min(cells - 1, Math.max(0, ((start + at + 0.5) * cells) / all - 0.5));
    const before = Math.floor(place);
    return [before, Math.min(cells - 1, before + 1), place - before];
  });
}
