/** PatchMatch: holes filled with patches of the photo itself, by pypatchmatch's C++ (web/native). */

import shared from "../../shared.json";
import type { CopyPatches } from "./inpaint";
import {
  allHole,
  blockMeans,
  clampedView,
  frameOf,
  HOLE,
  type Holes,
  hasHole,
  knownFromHoles,
  noHoles,
  type Photo,
  putPixel,
} from "./pixels";
import { fillFrame } from "./pyramid";
import { dilated } from "./windows";

const { MID_GREY, NOTICEABLE, BORDER } = shared.patchmatch;

/** Exports of web/native/patchmatch.cpp. */
interface Exports {
  memory: WebAssembly.Memory;
  _initialize(): void;
  malloc(bytes: number): number;
  free(pointer: number): void;
  fill(photo: number, hole: number, height: number, width: number, radius: number, seed: number): void;
}

/** PatchMatch itself: fills the holes of a photo, whose values are ignored. */
type Search = (photo: Photo, hole: Holes, radius: number, seed: number) => Promise<Photo>;

/**
 * As `onar/fills/patchmatch.py`: deterministic for a seed, and pixels that no patch reaches get the pyramid fill.
 *
 * @param module - `patchmatch.wasm`
 */
export function loadPatchMatch(module: WebAssembly.Module): CopyPatches {
  const search: Search = async (photo, hole, radius, seed) => {
    // Each fill has its own memory, so that of a large one is freed.
    const { memory, ...code } = await instantiate(module);
    const photoAt = code.malloc(photo.data.length);
    const holeAt = code.malloc(hole.data.length);
    if (photoAt === 0 || holeAt === 0) throw new RangeError("out of memory");
    new Uint8Array(memory.buffer).set(photo.data, photoAt);
    new Uint8Array(memory.buffer).set(hole.data, holeAt);
    code.fill(photoAt, holeAt, photo.height, photo.width, radius, seed);
    return { ...photo, data: new Uint8Array(memory.buffer).slice(photoAt, photoAt + photo.data.length) };
  };
  return async (photo, hole, { height, width }, radius, seed) => {
    const holes = { height, width, data: hole };
    if (allHole(holes)) return new Uint8Array(photo.length).fill(MID_GREY);
    return (await fillWithPatches({ height, width, data: photo }, holes, radius, seed, search)).data;
  };
}

async function fillWithPatches(photo: Photo, hole: Holes, radius: number, seed: number, search: Search) {
  const smooth = fillSmoothly(photo, hole);
  if (!knowsPatch(hole, radius)) return smooth;
  const range = rangeOf(photo, hole);
  const filled = await search(smooth, hole, radius, seed);
  const wrong = findWrong(filled, 0, smooth, hole, range);
  if (hasHole(wrong)) {
    // Holes are initialised to black, and stay black where the coarse levels of a narrow photo have no room for
    // patches. In the negative of a light photo black is close to the known colours, so the fine levels fill it.
    const other = negative(await search(negative(smooth), hole, radius, seed));
    put(other, filled, wrong);
    const stillWrong = findWrong(other, 255, smooth, hole, range);
    put(
      smooth,
      filled,
      partOf(wrong, (at) => stillWrong.data[at / 3] === HOLE),
    );
  }
  clip(filled, hole, range);
  return filled;
}

/** The pyramid fill. */
function fillSmoothly(photo: Photo, hole: Holes): Photo {
  const known = knownFromHoles(hole);
  const frame = fillFrame(frameOf(photo, known), known, photo);
  const filled = { ...photo, data: new Uint8Array(photo.data.length) };
  const clamped = clampedView(filled);
  for (let at = 0; at < frame.length; at += 3) putPixel(clamped, at, frame, at);
  return filled;
}

/** Whether any patch is fully known. */
function knowsPatch(hole: Holes, radius: number): boolean {
  const near = dilated(hole, radius);
  for (let row = radius; row < near.height - radius; row++) {
    const begin = row * near.width;
    if (radius < near.width - radius && near.data.subarray(begin + radius, begin + near.width - radius).includes(0)) {
      return true;
    }
  }
  return false;
}

/** Minimum and maximum of each channel of the known pixels. */
interface Range {
  low: number[];
  high: number[];
}

function rangeOf({ data }: Photo, hole: Holes): Range {
  const low = [255, 255, 255];
  const high = [0, 0, 0];
  for (let at = 0; at < data.length; at++) {
    if (hole.data[Math.floor(at / 3)] !== 0) continue;
    low[at % 3] = Math.min(low[at % 3], data[at]);
    high[at % 3] = Math.max(high[at % 3], data[at]);
  }
  return { low, high };
}

/**
 * Where a fill is still its initial value, or leaves the range of the known colours; dilated.
 *
 * @param start - the initial level of its holes
 */
function findWrong(filled: Photo, start: number, smooth: Photo, hole: Holes, { low, high }: Range): Holes {
  // Of local means: single pixels may be copied black, or overshoot by ringing.
  const means = blockMeans(filled);
  const every = [0, 1, 2];
  const isWrong = (at: number): boolean => {
    const left = every.every((channel) => means[at + channel] === start);
    if (left && every.some((channel) => Math.abs(smooth.data[at + channel] - start) >= NOTICEABLE)) return true;
    return every.some((channel) => {
      const mean = means[at + channel];
      return mean < low[channel] - NOTICEABLE || mean > high[channel] + NOTICEABLE;
    });
  };
  const near = dilated(partOf(hole, isWrong), BORDER);
  return partOf(hole, (at) => near.data[at / 3] === HOLE);
}

/** The hole pixels whose first byte satisfies a condition. */
function partOf(hole: Holes, holds: (at: number) => boolean): Holes {
  const part = noHoles(hole);
  for (let pixel = 0; pixel < hole.data.length; pixel++) {
    if (hole.data[pixel] !== 0 && holds(3 * pixel)) part.data[pixel] = HOLE;
  }
  return part;
}

function negative(photo: Photo): Photo {
  return { ...photo, data: photo.data.map((value) => 255 - value) };
}

/** Copy selected pixels of one photo to another. */
function put(from: Photo, into: Photo, where: Holes): void {
  for (let pixel = where.data.indexOf(HOLE); pixel >= 0; pixel = where.data.indexOf(HOLE, pixel + 1)) {
    into.data.set(from.data.subarray(3 * pixel, 3 * pixel + 3), 3 * pixel);
  }
}

/** Clip hole pixels to a range. */
function clip({ data }: Photo, hole: Holes, { low, high }: Range): void {
  for (let at = 0; at < data.length; at++) {
    if (hole.data[Math.floor(at / 3)] !== 0) data[at] = Math.min(Math.max(data[at], low[at % 3]), high[at % 3]);
  }
}

async function instantiate(module: WebAssembly.Module): Promise<Exports> {
  const instance = await WebAssembly.instantiate(module, {
    env: { emscripten_notify_memory_growth: () => {} },
    wasi_snapshot_preview1: {
      proc_exit: (code: number) => {
        throw new RangeError(`PatchMatch ended with ${code}`); // it only imports memory
      },
    },
  });
  const code = instance.exports as unknown as Exports;
  code._initialize();
  return code;
}
