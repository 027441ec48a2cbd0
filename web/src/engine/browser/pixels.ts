/** Pictures and masks as plain arrays, row by row; and numbers in [0, 1] made of them and back. */

export interface Size {
  height: number;
  width: number;
}

/** A photo, 3 bytes a pixel. */
export interface Photo extends Size {
  data: Uint8Array;
}

/** A boolean map, a byte a pixel: `HOLE` for true, 0 for false. */
export interface Holes extends Size {
  data: Uint8Array;
}

export const HOLE = 255;

/** 8-bit levels in [0, 1]. */
export const SHARES = Float32Array.from({ length: 256 }, (_, level) => level / 255);

export function noHoles({ height, width }: Size): Holes {
  return { height, width, data: new Uint8Array(height * width) };
}

export function hasHole(holes: Holes): boolean {
  return holes.data.includes(HOLE);
}

export function holeShare({ data }: Holes): number {
  return data.reduce((count, value) => (value === HOLE ? count + 1 : count), 0) / data.length;
}

export function allHole(holes: Holes): boolean {
  return !holes.data.includes(0);
}

/** Holes as numbers: 1 = known, 0 = hole. */
export function knownFromHoles(holes: Holes): Float32Array {
  const known = new Float32Array(holes.data.length);
  for (let pixel = 0; pixel < known.length; pixel++) if (holes.data[pixel] === 0) known[pixel] = 1;
  return known;
}

/** H·W·3 in [0, 1], with 0 where `known`, H·W, is 0. */
export function frameOf(photo: Photo, known: Float32Array): Float32Array {
  const frame = new Float32Array(photo.data.length);
  for (let pixel = 0, at = 0; pixel < known.length; pixel++, at += 3) {
    if (known[pixel] === 0) continue;
    frame[at] = SHARES[photo.data[at]];
    frame[at + 1] = SHARES[photo.data[at + 1]];
    frame[at + 2] = SHARES[photo.data[at + 2]];
  }
  return frame;
}

/** All of a photo, H·W·3, in [0, 1]. */
export function wholeFrameOf(photo: Photo): Float32Array {
  const frame = new Float32Array(photo.data.length);
  for (let at = 0; at < frame.length; at++) frame[at] = SHARES[photo.data[at]];
  return frame;
}

/**
 * Store values around [0, 1] as a pixel of a photo, rounded as by numpy.
 *
 * @param at - index of the pixel's first value in the photo
 * @param from - the same in the frame
 */
export function putPixel(clamped: Uint8ClampedArray, at: number, frame: Float32Array, from: number): void {
  clamped[at] = Math.fround(frame[from] * 255);
  clamped[at + 1] = Math.fround(frame[from + 1] * 255);
  clamped[at + 2] = Math.fround(frame[from + 2] * 255);
}

/** A view that rounds stored values half to even, and clips them to 0 to 255. */
export function clampedView({ data }: Photo): Uint8ClampedArray {
  return new Uint8ClampedArray(data.buffer, data.byteOffset, data.length);
}

/** Means of 3×3 pixels around each pixel, with replicated borders, rounded. */
export function blockMeans({ height, width, data }: Photo): Uint8Array {
  const along = new Uint16Array(data.length);
  const means = new Uint8Array(data.length);
  for (let row = 0, at = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const left = column > 0 ? 3 : 0;
      const right = column < width - 1 ? 3 : 0;
      for (const end = at + 3; at < end; at++) along[at] = data[at - left] + data[at] + data[at + right];
    }
  }
  const line = 3 * width;
  for (let at = 0; at < means.length; at++) {
    const above = at >= line ? line : 0;
    const below = at < means.length - line ? line : 0;
    means[at] = Math.round((along[at - above] + along[at] + along[at + below]) / 9); // never between two levels
  }
  return means;
}
