/**
 * Reading and rewriting the EXIF of a photo; unknown bytes stay as they are.
 *
 * As `upright` in `onar/imaging/formats/exif.py`. EXIF is a small TIFF file: directories of tags, some of which
 * point to another directory.
 */

import { startsWith, viewOf } from "./bytes";

const ORIENTATION = 274;
const DETAILS = 34665;
/** Tags of width and height, in the first directory and in the EXIF directory. */
const SIZES = [256, 257];
const DETAILED_SIZES = [40962, 40963];
/** Tags of offset and length of thumbnails: of JPEGs, and of uncompressed ones. */
const THUMBNAILS = [
  [513, 514],
  [273, 279],
];
const SHORT = 3;
const LONG = 4;

/** Offset of each tag's entry: tag, type, count and a value of 4 bytes. */
type Directory = Map<number, number>;

/** The orientation of a photo, from 1 to 8; 1 where none is named. */
export function orientationOf(block: Uint8Array): number {
  try {
    return new Block(block).orientation();
  } catch (error) {
    if (error instanceof RangeError) return 1;
    throw error;
  }
}

/**
 * The block with another orientation, a new size, and without the thumbnail, which shows the original.
 *
 * @param block - from its byte order on
 * @returns null when it is damaged
 */
export function described(block: Uint8Array, width: number, height: number, orientation: number): Uint8Array | null {
  try {
    return new Block(block.slice()).described(width, height, orientation);
  } catch (error) {
    if (error instanceof RangeError) return null; // an offset points outside
    throw error;
  }
}

class Block {
  private readonly view: DataView;
  private readonly little: boolean;

  constructor(private readonly bytes: Uint8Array) {
    this.view = viewOf(bytes);
    this.little = startsWith(bytes, "II*\0");
    if (!this.little && !startsWith(bytes, "MM\0*")) throw new RangeError("neither byte order");
  }

  orientation(): number {
    return this.number(this.directory(this.long(4)).tags, ORIENTATION) ?? 1;
  }

  described(width: number, height: number, orientation: number): Uint8Array {
    const first = this.long(4);
    const { tags, following } = this.directory(first);
    this.put(tags, ORIENTATION, orientation);
    this.putSize(tags, SIZES, width, height);
    const details = tags.get(DETAILS);
    if (details !== undefined) this.putSize(this.directory(this.long(details + 8)).tags, DETAILED_SIZES, width, height);
    const next = this.long(following);
    if (next !== 0) {
      this.removeThumbnail(this.directory(next).tags);
      this.view.setUint32(following, 0);
    }
    return this.bytes;
  }

  /** The tags of a directory, and the position of the next one's offset. */
  private directory(at: number): { tags: Directory; following: number } {
    const count = this.view.getUint16(at, this.little);
    const tags: Directory = new Map();
    for (let entry = at + 2; entry < at + 2 + 12 * count; entry += 12) {
      tags.set(this.view.getUint16(entry, this.little), entry);
    }
    return { tags, following: at + 2 + 12 * count };
  }

  private putSize(tags: Directory, [wide, high]: number[], width: number, height: number): void {
    this.put(tags, wide, width);
    this.put(tags, high, height);
  }

  private put(tags: Directory, tag: number, number: number): void {
    const entry = tags.get(tag);
    if (entry === undefined) return;
    const type = this.view.getUint16(entry + 2, this.little);
    if (type === SHORT) this.view.setUint16(entry + 8, Math.min(number, 0xffff), this.little);
    if (type === LONG) this.view.setUint32(entry + 8, number, this.little);
  }

  private removeThumbnail(tags: Directory): void {
    for (const [place, length] of THUMBNAILS) {
      const [at, size] = [this.number(tags, place), this.number(tags, length)];
      if (at !== null && size !== null) this.bytes.fill(0, at, at + size);
    }
  }

  private number(tags: Directory, tag: number): number | null {
    const entry = tags.get(tag);
    if (entry === undefined) return null;
    const type = this.view.getUint16(entry + 2, this.little);
    return type === SHORT ? this.view.getUint16(entry + 8, this.little) : this.long(entry + 8);
  }

  private long(at: number): number {
    return this.view.getUint32(at, this.little);
  }
}
