/**
 * JPEG files in which some pixels change: only their blocks of coefficients are compressed again.
 *
 * As `onar/imaging/formats/jpeg_blocks.py`; scans are written sequentially, without restarts.
 */

import { type Component, type Jpeg, JpegError, readJpeg } from "./jpeg_coefficients";
import { writeJpeg } from "./jpeg_writing";
import type { Size } from "./pixels";

/** A picture of 4 bytes a pixel. */
interface Picture extends Size {
  rgba: Uint8ClampedArray;
}

/** Matrix from red, green and blue to a component, and what is added to it (JFIF 1.02). */
type Row = readonly [number, number, number, number];
const YCBCR: Row[] = [
  [0.299, 0.587, 0.114, -128],
  [-0.168735892, -0.331264108, 0.5, 0],
  [0.5, -0.418687589, -0.081312411, 0],
];
const GREY: Row[] = [[1, 0, 0, -128]];

/** Index in zigzag order of each coefficient, row by row. */
const ZIGZAG = zigzag();
/** Rows of the discrete cosine transform. */
const COSINES = Float64Array.from({ length: 64 }, (_, at) => {
  const [u, x] = [at >> 3, at & 7];
  return (u === 0 ? Math.SQRT1_2 : 1) * 0.5 * Math.cos(((2 * x + 1) * u * Math.PI) / 16);
});

/**
 * Change pixels of a JPEG file, and keep the coefficients of all blocks without such pixels.
 *
 * @param now - the upright photo
 * @param before - the same before the changes
 * @param orientation - the file's, from 1 to 8
 * @param header - segments of the new file before its tables, whole
 * @returns null when this kind of JPEG is not supported, or the file is damaged
 */
export function withChangedPixels(
  file: Uint8Array,
  now: Picture,
  before: Uint8ClampedArray,
  orientation: number,
  header: Uint8Array[],
): Uint8Array<ArrayBuffer> | null {
  let jpeg: Jpeg;
  try {
    jpeg = readJpeg(file);
  } catch (error) {
    if (error instanceof JpegError || error instanceof RangeError) return null;
    throw error;
  }
  const rows = matrixOf(jpeg);
  const turned = orientation > 4;
  const fits = now.width === (turned ? jpeg.height : jpeg.width) && now.height === (turned ? jpeg.width : jpeg.height);
  if (rows === null || !fits) return null;
  const places = placesOf(jpeg, orientation);
  for (const [number, component] of jpeg.components.entries()) {
    const table = jpeg.tables.get(component.table);
    if (table === undefined) return null;
    changeBlocks(jpeg, component, rows[number], table, now, before, places);
  }
  return writeJpeg(jpeg, header);
}

function matrixOf({ components, transform }: Jpeg): Row[] | null {
  if (components.length === 1) return GREY;
  const areRgb = components.map(({ id }) => String.fromCharCode(id)).join("") === "RGB";
  return components.length === 3 && !areRgb && transform !== 0 ? YCBCR : null;
}

/** Index in the upright photo of a stored pixel. */
type Places = (x: number, y: number) => number;

function placesOf({ width, height }: Size, orientation: number): Places {
  const [right, bottom] = [width - 1, height - 1];
  const of: Record<number, Places> = {
    2: (x, y) => y * width + right - x,
    3: (x, y) => (bottom - y) * width + right - x,
    4: (x, y) => (bottom - y) * width + x,
    5: (x, y) => x * height + y,
    6: (x, y) => x * height + bottom - y,
    7: (x, y) => (right - x) * height + bottom - y,
    8: (x, y) => (right - x) * height + y,
  };
  return of[orientation] ?? ((x, y) => y * width + x);
}

/** Compress the blocks of a component again that have a changed pixel. */
function changeBlocks(
  jpeg: Jpeg,
  component: Component,
  row: Row,
  table: Uint16Array,
  now: Picture,
  before: Uint8ClampedArray,
  places: Places,
): void {
  const right = Math.max(...jpeg.components.map(({ wide }) => wide)) / component.wide;
  const down = Math.max(...jpeg.components.map(({ tall }) => tall)) / component.tall;
  const size = { width: 8 * right, height: 8 * down };
  for (let y = 0; y < component.down; y++) {
    for (let x = 0; x < component.across; x++) {
      const place = { left: x * size.width, top: y * size.height, ...size };
      if (!isChanged(jpeg, place, now.rgba, before, places)) continue;
      const samples = samplesOf(jpeg, place, row, now.rgba, places);
      transform(samples, table, component.coefficients, 64 * (y * component.stride + x));
    }
  }
}

interface Place extends Size {
  left: number;
  top: number;
}

function isChanged(
  { width, height }: Size,
  place: Place,
  now: Uint8ClampedArray,
  before: Uint8ClampedArray,
  places: Places,
): boolean {
  for (let y = place.top; y < Math.min(height, place.top + place.height); y++) {
    for (let x = place.left; x < Math.min(width, place.left + place.width); x++) {
      const at = 4 * places(x, y);
      if (now[at] !== before[at] || now[at + 1] !== before[at + 1] || now[at + 2] !== before[at + 2]) return true;
    }
  }
  return false;
}

/** The 64 samples of a block: means of the pixels in each, the last pixels repeated beyond the photo. */
function samplesOf(jpeg: Size, place: Place, row: Row, rgba: Uint8ClampedArray, places: Places): Float64Array {
  const samples = new Float64Array(64);
  const weight = 64 / (place.width * place.height);
  for (let y = 0; y < place.height; y++) {
    for (let x = 0; x < place.width; x++) {
      const at = 4 * places(Math.min(jpeg.width - 1, place.left + x), Math.min(jpeg.height - 1, place.top + y));
      const value = row[0] * rgba[at] + row[1] * rgba[at + 1] + row[2] * rgba[at + 2] + row[3];
      samples[8 * Math.floor((8 * y) / place.height) + Math.floor((8 * x) / place.width)] += weight * value;
    }
  }
  return samples;
}

/** Quantised coefficients of a block. */
function transform(samples: Float64Array, table: Uint16Array, coefficients: Int16Array, at: number): void {
  const lines = new Float64Array(64);
  for (let y = 0; y < 8; y++) {
    for (let u = 0; u < 8; u++) {
      for (let x = 0; x < 8; x++) lines[8 * y + u] += COSINES[8 * u + x] * samples[8 * y + x];
    }
  }
  for (let v = 0; v < 8; v++) {
    for (let u = 0; u < 8; u++) {
      let sum = 0;
      for (let y = 0; y < 8; y++) sum += COSINES[8 * v + y] * lines[8 * y + u];
      const k = ZIGZAG[8 * v + u];
      coefficients[at + k] = Math.max(k === 0 ? -1024 : -1023, Math.min(1023, Math.round(sum / table[k])));
    }
  }
}

function zigzag(): Uint8Array {
  const order = Array.from({ length: 64 }, (_, at) => at).sort((one, other) => {
    const [first, second] = [(one >> 3) + (one & 7), (other >> 3) + (other & 7)];
    if (first !== second) return first - second;
    return first % 2 === 0 ? other - one : one - other;
  });
  const index = new Uint8Array(64);
  order.forEach((at, k) => {
    index[at] = k;
  });
  return index;
}
