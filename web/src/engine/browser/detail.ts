/**
 * Restore the detail of a fill that was copied at half the scale, from where the photo has the same patches.
 *
 * As `onar/inference/detail.py`, which explains it; both find the same.
 */

import shared from "../../shared.json";
import { type Descriptors, distance, FAR, Nearest } from "./nearest";
import { blockMeans, clampedView, HOLE, type Holes, type Photo, type Size } from "./pixels";
import { double } from "./scaling";
import { blocksWithHoles, dilated } from "./windows";

const { RADIUS, SPACING, MAX_SOURCES, COHERENCE, DESCRIPTOR_LENGTH } = shared.detail;

/** A photo whose holes are filled with copied patches. */
export interface Copy {
  /** Only hole pixels count. */
  photo: Photo;
  /** Where its detail came from, if it was enlarged. */
  offsets?: Offsets;
}

/**
 * Enlarge a fill that was copied at half the scale, and add the detail of the patches it was copied from.
 *
 * @param small - the photo at half the scale, filled
 * @param unknown - its holes
 */
export function restoreDetail(photo: Photo, hole: Holes, small: Copy, unknown: Holes): Copy {
  const enlarged = double(small.photo, photo);
  const bare = withTouched(unknown, hole);
  const near = dilated(bare, RADIUS);
  const sources = sourcesOf(near);
  if (sources.places.length === 0) return { photo: enlarged };
  const offsets = new Nodes(small.photo, bare, near).match(sources, small.offsets);
  mix(photo, hole, enlarged, offsets);
  return { photo: enlarged, offsets };
}

/** Holes at half the scale, and blocks that have holes at full scale. */
function withTouched(unknown: Holes, hole: Holes): Holes {
  const touched = blocksWithHoles(hole, 2);
  for (let pixel = 0; pixel < unknown.data.length; pixel++) touched.data[pixel] |= unknown.data[pixel];
  return touched;
}

/** A grid of known patches. */
interface Sources {
  /** Centres of the patches, pixels at half the scale. */
  places: number[];
  step: number;
}

function sourcesOf(near: Holes): Sources {
  const chosen = (step: number): number[] => {
    const places = [];
    for (let row = RADIUS; row < near.height - RADIUS; row += step) {
      for (let column = RADIUS; column < near.width - RADIUS; column += step) {
        if (near.data[row * near.width + column] !== HOLE) places.push(row * near.width + column);
      }
    }
    return places;
  };
  const all = chosen(1);
  const step = Math.ceil(Math.sqrt(Math.max(1, all.length / MAX_SOURCES)));
  const places = chosen(step);
  return places.length ? { places, step } : { places: all, step: 1 };
}

/** Offset of each node to its source, rows and columns at half the scale. */
interface Offsets extends Size {
  rows: Int32Array;
  columns: Int32Array;
}

/** The nodes of a fill, every `SPACING`-th pixel, and one row and column more. */
class Nodes {
  private readonly height: number;
  private readonly width: number;
  private readonly blocks: Uint8Array;
  /** Nodes without detail: their pixels, descriptors, best sources, and squared distances. */
  private readonly wanting: number[] = [];
  private readonly pixels: number[] = [];
  private readonly wanted: Descriptors;
  private readonly best: number[] = [];
  private readonly costs: number[] = [];
  private readonly tried = new Uint8Array(DESCRIPTOR_LENGTH);

  constructor(
    private readonly small: Photo,
    bare: Holes,
    private readonly near: Holes,
  ) {
    this.height = Math.floor(small.height / SPACING) + 2;
    this.width = Math.floor(small.width / SPACING) + 2;
    this.blocks = blockMeans(small);
    const about = dilated(bare, 2 * SPACING);
    for (let node = 0; node < this.height * this.width; node++) {
      const row = Math.min(SPACING * Math.floor(node / this.width), small.height - 1);
      const pixel = row * small.width + Math.min(SPACING * (node % this.width), small.width - 1);
      if (about.data[pixel] !== HOLE || near.data[pixel] !== HOLE) continue;
      this.wanting.push(node);
      this.pixels.push(pixel);
      this.best.push(0);
      this.costs.push(FAR);
    }
    this.wanted = new Uint8Array(DESCRIPTOR_LENGTH * this.pixels.length);
    this.pixels.forEach((pixel, number) => {
      this.describe(pixel, this.wanted, DESCRIPTOR_LENGTH * number);
    });
  }

  /** @param coarser - offsets of the fill at half the scale of this one */
  match({ places, step }: Sources, coarser?: Offsets): Offsets {
    // Start from the sources found at a quarter of the scale.
    if (coarser) this.tryCoarser(coarser);
    this.findNearest(places);
    const first = this.best.slice();
    const reach = coarser ? 1 : step >> 1;
    for (let down = -reach; down <= reach; down++) {
      for (let right = -reach; right <= reach; right++) {
        first.forEach((place, number) => {
          this.tryOther(number, this.rowOf(place) + down, this.columnOf(place) + right, 1);
        });
      }
    }
    this.agree();
    return this.offsets();
  }

  private tryCoarser(coarser: Offsets): void {
    this.wanting.forEach((node, number) => {
      const row = this.rowOf(this.pixels[number]);
      const column = this.columnOf(this.pixels[number]);
      const above = Math.floor(node / this.width) >> 1;
      const left = (node % this.width) >> 1;
      for (const down of [0, 1]) {
        for (const right of [0, 1]) {
          // Clipped to the coarser grid.
          const line = Math.min(above + down, coarser.height - 1) * coarser.width;
          const other = line + Math.min(left + right, coarser.width - 1);
          this.tryOther(number, row + 2 * coarser.rows[other], column + 2 * coarser.columns[other], 1);
        }
      }
    });
  }

  /** The descriptor of the patch around a pixel: the means of nine blocks, three channels each. */
  private describe(pixel: number, into: Descriptors, at: number): void {
    const { height, width } = this.small;
    const row = this.rowOf(pixel);
    const column = this.columnOf(pixel);
    for (const down of [-2, 0, 2]) {
      const begin = Math.min(Math.max(row + down, 0), height - 1) * width;
      for (const right of [-2, 0, 2]) {
        const from = 3 * (begin + Math.min(Math.max(column + right, 0), width - 1));
        into[at++] = this.blocks[from];
        into[at++] = this.blocks[from + 1];
        into[at++] = this.blocks[from + 2];
      }
    }
  }

  /** Find the nearest place for each node without a source. */
  private findNearest(places: number[]): void {
    const offered = new Uint8Array(DESCRIPTOR_LENGTH * places.length);
    places.forEach((place, number) => {
      this.describe(place, offered, DESCRIPTOR_LENGTH * number);
    });
    const sources = new Nearest(offered);
    let guess = 0;
    for (let number = 0; number < this.pixels.length; number++) {
      if (this.costs[number] < FAR) continue;
      const { place, row, cost } = sources.find(this.wanted, DESCRIPTOR_LENGTH * number, guess);
      [this.best[number], this.costs[number], guess] = [places[row], cost, place];
    }
  }

  /** Take another source for a node where it is known and its cost, times a factor, is lower. */
  private tryOther(number: number, row: number, column: number, factor: number): void {
    const { height, width } = this.small;
    if (row < RADIUS || row >= height - RADIUS || column < RADIUS || column >= width - RADIUS) return;
    const place = row * width + column;
    if (this.near.data[place] === HOLE) return;
    this.describe(place, this.tried, 0);
    const cost = distance(this.wanted, DESCRIPTOR_LENGTH * number, this.tried, 0, FAR);
    if (cost * factor < this.costs[number]) [this.best[number], this.costs[number]] = [place, cost];
  }

  /** Coherence: let nodes continue a neighbour's source; all neighbours are read before any changes. */
  private agree(): void {
    const numbers = new Map(this.wanting.map((node, number) => [node, number]));
    for (let round = 0; round < 2; round++) {
      for (const [down, right] of [
        [-1, 0],
        [1, 0],
        [0, -1],
        [0, 1],
      ]) {
        const before = this.best.slice();
        this.wanting.forEach((node, number) => {
          const column = (node % this.width) + right;
          if (column < 0 || column >= this.width) return;
          const beside = numbers.get(node + down * this.width + right);
          if (beside === undefined) return;
          const [from, to, here] = [this.pixels[beside], before[beside], this.pixels[number]];
          const row = this.rowOf(here) + this.rowOf(to) - this.rowOf(from);
          const place = this.columnOf(here) + this.columnOf(to) - this.columnOf(from);
          this.tryOther(number, row, place, COHERENCE);
        });
      }
    }
  }

  private offsets(): Offsets {
    const { height, width } = this;
    const rows = new Int32Array(height * width);
    const columns = new Int32Array(height * width);
    this.wanting.forEach((node, number) => {
      rows[node] = this.rowOf(this.best[number]) - this.rowOf(this.pixels[number]);
      columns[node] = this.columnOf(this.best[number]) - this.columnOf(this.pixels[number]);
    });
    return { height, width, rows, columns };
  }

  private rowOf(pixel: number): number {
    return Math.floor(pixel / this.small.width);
  }

  private columnOf(pixel: number): number {
    return pixel % this.small.width;
  }
}

/** Add the detail, interpolated between the sources of the four nodes around each pixel. */
function mix(photo: Photo, hole: Holes, enlarged: Photo, offsets: Offsets): void {
  const { height, width } = photo;
  const before = enlarged.data.slice();
  const rounded = clampedView(enlarged);
  const total = [0, 0, 0];
  for (let pixel = 0; pixel < hole.data.length; pixel++) {
    if (hole.data[pixel] !== HOLE) continue;
    const row = Math.floor(pixel / width);
    const column = pixel % width;
    const [above, ofBelow] = betweenNodes(row);
    const [left, ofRight] = betweenNodes(column);
    total.fill(0);
    for (const down of [0, 1]) {
      for (const right of [0, 1]) {
        const node = (above + down) * offsets.width + left + right;
        const sourceRow = Math.min(Math.max(row + 2 * offsets.rows[node], 0), height - 1);
        const sourceColumn = Math.min(Math.max(column + 2 * offsets.columns[node], 0), width - 1);
        const from = 3 * (sourceRow * width + sourceColumn);
        const weight = (down ? ofBelow : 1 - ofBelow) * (right ? ofRight : 1 - ofRight);
        for (let channel = 0; channel < 3; channel++) {
          total[channel] += weight * (photo.data[from + channel] - before[from + channel]);
        }
      }
    }
    for (let channel = 0; channel < 3; channel++) {
      rounded[3 * pixel + channel] = before[3 * pixel + channel] + total[channel];
    }
  }
}

/** The node before a row or column of the photo, and the weight of the next. */
function betweenNodes(place: number): [number, number] {
  const distance = Math.max((place - 0.5) / (2 * SPACING), 0);
  const before = Math.floor(distance);
  return [before, Math.sin((Math.PI / 2) * (distance - before)) ** 2];
}
