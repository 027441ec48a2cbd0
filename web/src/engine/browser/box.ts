/** Rectangles of pixels. */

import { HOLE, type Holes, type Photo, type Size } from "./pixels";

/** A rectangle of pixels; bottom and right are exclusive. */
export class Box {
  constructor(
    readonly top: number,
    readonly left: number,
    readonly bottom: number,
    readonly right: number,
  ) {}

  /** The whole of a picture. */
  static of({ height, width }: Size): Box {
    return new Box(0, 0, height, width);
  }

  get height(): number {
    return this.bottom - this.top;
  }

  get width(): number {
    return this.right - this.left;
  }

  get longerSide(): number {
    return Math.max(this.height, this.width);
  }

  get area(): number {
    return this.height * this.width;
  }

  /** The box with a margin on all sides and at least `minSide` pixels a side, clipped to the photo. */
  grown(margin: number, photo: Box, minSide = 0): Box {
    const rows = Math.max(2 * margin, minSide - this.height);
    const columns = Math.max(2 * margin, minSide - this.width);
    const top = this.top - (rows >> 1);
    const left = this.left - (columns >> 1);
    return new Box(
      Math.max(0, top),
      Math.max(0, left),
      Math.min(photo.bottom, top + this.height + rows),
      Math.min(photo.right, left + this.width + columns),
    );
  }

  /** The bounding box of both. */
  joined(other: Box): Box {
    return new Box(
      Math.min(this.top, other.top),
      Math.min(this.left, other.left),
      Math.max(this.bottom, other.bottom),
      Math.max(this.right, other.right),
    );
  }

  /**
   * Split into nearly equal boxes of at most `size` pixels a side, in reading order.
   *
   * @throws RangeError when `size` is less than 1
   */
  pieces(size: number): Box[] {
    if (!(size >= 1)) throw new RangeError(`a box cannot be split into pieces of ${size} pixels a side`);
    const rows = cuts(this.top, this.bottom, size);
    const columns = cuts(this.left, this.right, size);
    const pieces: Box[] = [];
    for (let row = 1; row < rows.length; row++) {
      for (let column = 1; column < columns.length; column++) {
        pieces.push(new Box(rows[row - 1], columns[column - 1], rows[row], columns[column]));
      }
    }
    return pieces;
  }

  /** The bounding box of the holes in this one; null when there are none. */
  shrunk(holes: Holes): Box | null {
    let top = -1;
    let bottom = 0;
    let left = this.right;
    let right = this.left;
    const end = Math.min(this.right, holes.width);
    for (let row = this.top; row < Math.min(this.bottom, holes.height); row++) {
      const line = holes.data.subarray(row * holes.width + this.left, row * holes.width + end);
      const first = line.indexOf(HOLE);
      if (first < 0) continue;
      if (top < 0) top = row;
      bottom = row + 1;
      left = Math.min(left, this.left + first);
      right = Math.max(right, this.left + line.lastIndexOf(HOLE) + 1);
    }
    return top < 0 ? null : new Box(top, left, bottom, right);
  }

  /** Whether the box has holes. */
  touches(holes: Holes): boolean {
    for (let row = this.top; row < this.bottom; row++) {
      const begin = row * holes.width;
      if (holes.data.subarray(begin + this.left, begin + this.right).includes(HOLE)) return true;
    }
    return false;
  }

  /** Remove the holes in the box. */
  clear(holes: Holes): void {
    for (let row = this.top; row < this.bottom; row++) {
      holes.data.fill(0, row * holes.width + this.left, row * holes.width + this.right);
    }
  }

  /** The holes in the box. */
  cropHoles(holes: Holes): Holes {
    return { height: this.height, width: this.width, data: crop(holes.data, holes.width, this, 1) };
  }

  /** The pixels of a photo in the box. */
  cropPhoto(photo: Photo): Photo {
    return { height: this.height, width: this.width, data: crop(photo.data, photo.width, this, 3) };
  }
}

function crop(data: Uint8Array, width: number, box: Box, channels: number): Uint8Array {
  const cropped = new Uint8Array(channels * box.area);
  for (let row = box.top, at = 0; row < box.bottom; row++, at += channels * box.width) {
    const begin = row * width;
    cropped.set(data.subarray(channels * (begin + box.left), channels * (begin + box.right)), at);
  }
  return cropped;
}

function cuts(start: number, end: number, size: number): number[] {
  const count = Math.ceil((end - start) / size);
  return Array.from({ length: count + 1 }, (_, number) => start + Math.floor(((end - start) * number) / count));
}
