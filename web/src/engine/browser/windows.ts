/** Geometry of holes: bounding boxes of groups of holes, and their depth; as `onar/inference/windows.py`. */

import { Box } from "./box";
import { HOLE, type Holes, noHoles } from "./pixels";
import { type Parts, Runs } from "./runs";

/**
 * Bounding boxes of the connected components (8-connectivity) of holes, in reading order.
 *
 * @param block - side in pixels of the blocks that are connected instead of single pixels; above 1, holes closer than
 *   that are one group
 */
export function findGroups(holes: Holes, block = 1): Box[] {
  const inside = Box.of(holes).shrunk(holes);
  if (inside === null) return [];
  // On one grid for the whole photo, so that holes far away do not change which are close.
  const [top, left] = [inside.top - (inside.top % block), inside.left - (inside.left % block)];
  const place = new Box(top, left, inside.bottom, inside.right);
  const blocks = block === 1 ? holes : blocksWithHoles(holes, block, place);
  const runs = new Runs(blocks);
  const boxes = boxesOf(runs, runs.parts()).map((box) => {
    if (block === 1) return box;
    const { top, left, bottom, right } = box;
    const cells = new Box(top * block, left * block, bottom * block, right * block);
    return new Box(
      cells.top + place.top,
      cells.left + place.left,
      cells.bottom + place.top,
      cells.right + place.left,
    ).shrunk(holes) as Box;
  });
  return boxes.sort((a, b) => a.top - b.top || a.left - b.left || a.bottom - b.bottom || a.right - b.right);
}

/** The bounding box of each component. */
function boxesOf(runs: Runs, parts: Parts): Box[] {
  const top = new Int32Array(parts.count).fill(-1);
  const left = new Int32Array(parts.count);
  const bottom = new Int32Array(parts.count);
  const right = new Int32Array(parts.count);
  for (let row = 0; row + 1 < runs.first.length; row++) {
    for (let run = runs.first[row]; run < runs.first[row + 1]; run++) {
      const part = parts.of[run];
      if (top[part] < 0) {
        top[part] = row;
        left[part] = runs.start[run];
      }
      left[part] = Math.min(left[part], runs.start[run]);
      right[part] = Math.max(right[part], runs.end[run]);
      bottom[part] = row + 1;
    }
  }
  return Array.from(top, (_, part) => new Box(top[part], left[part], bottom[part], right[part]));
}

/** Which blocks of `size` × `size` pixels, aligned with a box's corner, hold any hole of that box. */
export function blocksWithHoles(holes: Holes, size: number, box = Box.of(holes)): Holes {
  const blocks = noHoles({ height: Math.ceil(box.height / size), width: Math.ceil(box.width / size) });
  for (let row = box.top; row < box.bottom; row++) {
    const begin = row * holes.width;
    const line = holes.data.subarray(begin + box.left, begin + box.right);
    const first = Math.floor((row - box.top) / size) * blocks.width;
    for (let at = line.indexOf(HOLE); at >= 0; ) {
      const block = Math.floor(at / size);
      blocks.data[first + block] = HOLE;
      at = line.indexOf(HOLE, (block + 1) * size);
    }
  }
  return blocks;
}

/** Holes dilated by a square of 2 · reach + 1 pixels a side. */
export function dilated(holes: Holes, reach: number): Holes {
  return spread(spread(holes, reach, 1, holes.width, holes.height), reach, holes.width, holes.height, holes.width);
}

/** Dilate along lines of `length` pixels `step` apart, of which there are `count`. */
function spread(holes: Holes, reach: number, step: number, length: number, count: number): Holes {
  const result = noHoles(holes);
  const between = step === 1 ? length : 1;
  for (let line = 0; line < count; line++) {
    let last = -Infinity; // the last hole pixel
    for (let at = -reach; at < length; at++) {
      const ahead = at + reach;
      if (ahead < length && holes.data[line * between + ahead * step] === HOLE) last = ahead;
      if (at >= 0 && at - last <= reach) result.data[line * between + at * step] = HOLE;
    }
  }
  return result;
}

/** The connected components (8-connectivity) of holes whose largest depth exceeds `depth`. */
export function deeperThan(holes: Holes, depth: number): Holes {
  return splitByDepth(holes, depth).deep;
}

/** The connected components of holes whose largest depth exceeds `depth`, and the others. */
export function splitByDepth(holes: Holes, depth: number): { deep: Holes; shallow: Holes } {
  const runs = new Runs(holes);
  const parts = runs.parts();
  const depths = runs.depths();
  const isDeep = new Uint8Array(parts.count);
  for (let run = 0, at = 0; run < runs.count; run++) {
    const end = at + runs.end[run] - runs.start[run];
    for (; at < end; at++) if (depths[at] > depth) isDeep[parts.of[run]] = 1;
  }
  const deep = noHoles(holes);
  const shallow = noHoles(holes);
  for (let row = 0; row < holes.height; row++) {
    const begin = row * holes.width;
    for (let run = runs.first[row]; run < runs.first[row + 1]; run++) {
      const { data } = isDeep[parts.of[run]] ? deep : shallow;
      data.fill(HOLE, begin + runs.start[run], begin + runs.end[run]);
    }
  }
  return { deep, shallow };
}

/** The hole pixels deeper than `depth`. */
export function coresDeeperThan(holes: Holes, depth: number): Holes {
  const cores = noHoles(holes);
  eachDepth(holes, (pixel, own) => {
    if (own > depth) cores.data[pixel] = HOLE;
  });
  return cores;
}

/** Visit the hole pixels with their depths. */
export function eachDepth(holes: Holes, visit: (pixel: number, depth: number) => void): void {
  const runs = new Runs(holes);
  const depths = runs.depths();
  for (let row = 0, at = 0; row < holes.height; row++) {
    for (let run = runs.first[row]; run < runs.first[row + 1]; run++) {
      for (let column = runs.start[run]; column < runs.end[run]; column++)
        visit(row * holes.width + column, depths[at++]);
    }
  }
}

/** The largest depth of holes; infinite when nothing is known. */
export function depthOf(holes: Holes): number {
  return new Runs(holes).depths().reduce((deepest, depth) => Math.max(deepest, depth), 0);
}
