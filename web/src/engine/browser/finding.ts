/**
 * Find scratches and dust; as `onar/finding` in Python.
 *
 * The network runs at the photo's own scale, and at half of it for damage that is wider than what it sees at once.
 */

import shared from "../../shared.json";
import type { FindOptions } from "../engine";
import { Box } from "./box";
import type { Decoded } from "./decoding";
import { SHARES, type Size } from "./pixels";
import type { Progress } from "./progress";
import { NotedError } from "./protocol";
import { fillFrame } from "./pyramid";

const { MULTIPLE, SIDE, MARGIN, MIN_HALVED, HALF_ODDS, STEEPNESS } = shared.finding;
const { MAX_SHARE } = shared.finding;
/** Channels of the network's output, and pixels by which marks are widened. */
const KINDS: Record<string, { channel: number | null; grow: number }> = shared.kinds;
/** Share of the work at half the scale: a fifth of all pixels. */
const HALF_SHARE = 0.2;

/** Finds damage in a window: photo 3·H·W in [0, 1] → probabilities, a plane H·W for each kind; sides of `MULTIPLE`. */
export type DamageNetwork = (photo: Float32Array, size: Size) => Promise<Float32Array>;

/** A network that finds damage. */
export interface Finder {
  network: DamageNetwork;
  /** Of its probabilities at a sensitivity of 0.5, by the names of the kinds. */
  thresholds: Record<string, number>;
}

/** A kind of damage: a channel of the network's output, and from which probability on it is marked. */
interface Channel {
  index: number;
  limit: number;
}

/** A part of a photo: what a window decides, and what it sees. */
interface Window {
  core: Box;
  shown: Box;
}

/** Probabilities of a whole photo in 8 bits, a plane for each channel. */
interface Probabilities extends Size {
  planes: Uint8Array[];
}

/**
 * Find damage.
 *
 * @param photo - transparent pixels are not seen, and not marked
 * @returns H·W, 255 = hole, 0 = known
 * @throws NotedError when it is more than damage usually is
 */
export async function find(
  photo: Decoded,
  { network, thresholds }: Finder,
  { what, sensitivity }: FindOptions,
  progress: Progress,
): Promise<Uint8Array<ArrayBuffer>> {
  const channels = what.map((name) => ({
    index: KINDS[name].channel as number,
    limit: thresholdAt(sensitivity, thresholds[name]),
  }));
  const found = await findDamage(photo, network, channels, progress);
  const mask = new Uint8Array(photo.width * photo.height);
  what.forEach((name, number) => {
    mark(mask, found[number], photo, KINDS[name].grow);
  });
  let marked = 0;
  for (let at = 0; at < mask.length; at++) {
    if (photo.rgba[4 * at + 3] === 0) mask[at] = 0;
    if (mask[at] !== 0) marked++;
  }
  if (marked > MAX_SHARE * mask.length) throw new NotedError({ key: "find_much", values: { share: 100 * MAX_SHARE } });
  return mask;
}

/** Add all pixels within `reach` of marks to a mask. */
function mark(mask: Uint8Array, marks: Uint8Array, { height, width }: Size, reach: number): void {
  for (let down = -reach; down <= reach; down++) {
    const half = Math.floor(Math.sqrt(reach ** 2 - down ** 2));
    for (let y = Math.max(0, -down); y < Math.min(height, height - down); y++) {
      const row = marks.subarray(y * width, (y + 1) * width);
      const to = (y + down) * width;
      for (let x = row.indexOf(255); x >= 0; x = row.indexOf(255, x + 1)) {
        mask.fill(255, to + Math.max(0, x - half), to + Math.min(width, x + half + 1));
      }
    }
  }
}

/** The places of damage: for each channel H·W, 255 = damage, 0 = none. */
async function findDamage(
  photo: Decoded,
  network: DamageNetwork,
  channels: readonly Channel[],
  progress: Progress,
): Promise<Uint8Array[]> {
  const found = channels.map(() => new Uint8Array(photo.width * photo.height));
  const isHalved = Math.min(photo.width, photo.height) >= MIN_HALVED;
  const share = isHalved ? HALF_SHARE : 0;
  const halved = isHalved ? await atHalfScale(halve(photo), network, channels, progress.part(0, share)) : null;
  await eachWindow(photo, network, progress.part(share, 1), ({ core, shown }, probabilities, stride, plane) => {
    channels.forEach(({ index, limit }, number) => {
      const row = new Float32Array(core.width);
      for (let y = core.top; y < core.bottom; y++) {
        if (halved) enlargeRow(halved, number, core, y, row);
        const from = index * plane + (y - shown.top) * stride + core.left - shown.left;
        const to = y * photo.width + core.left;
        for (let x = 0; x < core.width; x++) {
          if (Math.max(probabilities[from + x], row[x]) >= limit) found[number][to + x] = 255;
        }
      }
    });
  });
  return found;
}

async function atHalfScale(
  photo: Decoded,
  network: DamageNetwork,
  channels: readonly Channel[],
  progress: Progress,
): Promise<Probabilities> {
  const planes = channels.map(() => new Uint8Array(photo.width * photo.height));
  await eachWindow(photo, network, progress, ({ core, shown }, probabilities, stride, plane) => {
    channels.forEach(({ index }, number) => {
      const rounded = new Uint8ClampedArray(planes[number].buffer); // half to even, as numpy
      for (let y = core.top; y < core.bottom; y++) {
        const from = index * plane + (y - shown.top) * stride + core.left - shown.left;
        const to = y * photo.width + core.left;
        for (let x = 0; x < core.width; x++) rounded[to + x] = 255 * lowered(probabilities[from + x]);
      }
    });
  });
  return { height: photo.height, width: photo.width, planes };
}

/** A probability with its odds divided by `HALF_ODDS`. */
function lowered(probability: number): number {
  return probability / (probability + (1 - probability) * HALF_ODDS);
}

/**
 * Run the network on all windows.
 *
 * @param keep - called with each window and its probabilities: planes of `plane` values with rows of `stride`
 */
async function eachWindow(
  photo: Decoded,
  network: DamageNetwork,
  progress: Progress,
  keep: (window: Window, probabilities: Float32Array, stride: number, plane: number) => void,
): Promise<void> {
  const windows = windowsOf(photo);
  for (const [number, window] of windows.entries()) {
    await progress.reach(number / windows.length);
    const size = { height: roundUp(window.shown.height), width: roundUp(window.shown.width) };
    keep(window, await network(planesOf(photo, window.shown, size), size), size.width, size.height * size.width);
  }
  await progress.reach(1);
}

/** Windows that cover a photo. */
export function windowsOf(size: Size): Window[] {
  const photo = Box.of(size);
  const cores = photo.pieces(photo.longerSide > SIDE ? SIDE - 2 * MARGIN : SIDE);
  return cores.map((core) => ({ core, shown: core.grown(MARGIN, photo) }));
}

/** The threshold of a probability at a sensitivity: `threshold` at 0.5, lower above. */
export function thresholdAt(sensitivity: number, threshold: number): number {
  const odds = Math.log(threshold / (1 - threshold)) + STEEPNESS * (0.5 - sensitivity);
  return 1 / (1 + Math.exp(-odds));
}

function roundUp(side: number): number {
  return Math.ceil(side / MULTIPLE) * MULTIPLE;
}

/** The pixels in a box as planes in [0, 1], mirrored at the lower and right borders to a size. */
function planesOf(photo: Decoded, shown: Box, { height, width }: Size): Float32Array {
  const frame = frameOf(photo, shown);
  const planes = new Float32Array(3 * height * width);
  for (let y = 0, to = 0; y < height; y++) {
    const row = mirrored(y, shown.height) * shown.width;
    for (let x = 0; x < width; x++, to++) {
      const from = 3 * (row + mirrored(x, shown.width));
      for (let channel = 0; channel < 3; channel++) planes[channel * height * width + to] = frame[from + channel];
    }
  }
  return planes;
}

/** Index of what is at a place behind the end of a line: the last value is repeated first. */
function mirrored(at: number, length: number): number {
  const place = at % (2 * length);
  return place < length ? place : 2 * length - 1 - place;
}

/** The pixels in a box, H·W·3 in [0, 1]; transparent ones have smooth colours of those around them. */
function frameOf({ rgba, width }: Decoded, box: Box): Float32Array {
  const frame = new Float32Array(3 * box.area);
  const known = new Float32Array(box.area).fill(1);
  for (let y = box.top, pixel = 0; y < box.bottom; y++) {
    for (let from = 4 * (y * width + box.left), end = from + 4 * box.width; from < end; from += 4, pixel++) {
      if (rgba[from + 3] === 0) known[pixel] = 0;
      else for (let channel = 0; channel < 3; channel++) frame[3 * pixel + channel] = SHARES[rgba[from + channel]];
    }
  }
  return fillFrame(frame, known, box);
}

/** Means of 2×2 pixels; the last ones of odd sides are repeated. Transparent where one of four is. */
function halve({ width, height, rgba }: Decoded): Decoded {
  const size = { width: (width + 1) >> 1, height: (height + 1) >> 1 };
  const halved = new Uint8ClampedArray(4 * size.width * size.height);
  for (let y = 0, to = 0; y < size.height; y++) {
    const [above, below] = [2 * y * width, Math.min(2 * y + 1, height - 1) * width];
    for (let x = 0; x < size.width; x++) {
      const [left, right] = [2 * x, Math.min(2 * x + 1, width - 1)];
      const [a, b] = [4 * (above + left), 4 * (above + right)];
      const [c, d] = [4 * (below + left), 4 * (below + right)];
      for (let channel = 0; channel < 3; channel++, to++) {
        halved[to] = (rgba[a + channel] + rgba[b + channel] + rgba[c + channel] + rgba[d + channel] + 2) >> 2;
      }
      halved[to++] = rgba[a + 3] && rgba[b + 3] && rgba[c + 3] && rgba[d + 3] ? 255 : 0;
    }
  }
  return { ...size, rgba: halved };
}

/** A row of a part of the photo, of probabilities found at half the scale; bilinear. */
function enlargeRow({ planes, height, width }: Probabilities, number: number, core: Box, y: number, row: Float32Array) {
  const second = (y + 1) >> 1; // the row of the block, or the one after it
  const [above, below] = [Math.max(second - 1, 0) * width, Math.min(second, height - 1) * width];
  const [ofAbove, ofBelow] = y & 1 ? [3, 1] : [1, 3];
  const plane = planes[number];
  for (let x = 0; x < row.length; x++) {
    const at = core.left + x;
    const next = (at + 1) >> 1;
    const [left, right] = [Math.max(next - 1, 0), Math.min(next, width - 1)];
    const [ofLeft, ofRight] = at & 1 ? [3, 1] : [1, 3];
    const upper = ofLeft * plane[above + left] + ofRight * plane[above + right];
    const lower = ofLeft * plane[below + left] + ofRight * plane[below + right];
    const sum = ofAbove * upper + ofBelow * lower;
    row[x] = SHARES[(sum + 7 + ((sum >> 4) & 1)) >> 4]; // half to even, as OpenCV
  }
}
