/** Rectangles of a photo that are drawn, moved and changed at their edges, at a ratio. */

import type { Rect } from "../engine/engine";
import type { Size } from "./steps";
import type { Point } from "./viewport";

/** The moved edges of a crop: -1 its left or top edge, 1 its right or bottom edge, 0 neither; all of it where both are 0. */
export interface Grip {
  x: -1 | 0 | 1;
  y: -1 | 0 | 1;
}

/** The grip at a point; null outside of the crop. */
export function gripAt({ left, top, width, height }: Rect, { x, y }: Point, near: number): Grip | null {
  const isBeside = x < left - near || x > left + width + near || y < top - near || y > top + height + near;
  if (isBeside) return null;
  return { x: sideAt(x, left, width, near), y: sideAt(y, top, height, near) };
}

function sideAt(at: number, start: number, length: number, near: number): -1 | 0 | 1 {
  const [before, after] = [Math.abs(at - start), Math.abs(at - start - length)];
  if (Math.min(before, after) > near) return 0;
  return before < after ? -1 : 1;
}

/** A crop moved by whole pixels, within the photo. */
export function movedBy(crop: Rect, x: number, y: number, photo: Size): Rect {
  const left = Math.min(photo.width - crop.width, Math.max(0, Math.round(crop.left + x)));
  const top = Math.min(photo.height - crop.height, Math.max(0, Math.round(crop.top + y)));
  return { ...crop, left, top };
}

/**
 * A crop whose gripped edges are at a point, within the photo.
 *
 * @param grip - not that of all of it
 * @param ratio - width / height; null for any
 */
export function pulledTo(crop: Rect, grip: Grip, to: Point, ratio: number | null, photo: Size): Rect {
  const across = pulled(crop.left, crop.width, grip.x, to.x, photo.width);
  const down = pulled(crop.top, crop.height, grip.y, to.y, photo.height);
  if (ratio === null) return rectOf(across, down);
  const wanted =
    grip.x === 0 ? down.length * ratio : grip.y === 0 ? across.length : Math.max(across.length, down.length * ratio);
  const width = Math.min(wanted, across.room, down.room * ratio);
  return rectOf({ ...across, length: width }, { ...down, length: width / ratio });
}

/** One side of a crop: from its fixed end in a direction. */
interface Side {
  fixed: number;
  direction: 1 | -1;
  length: number;
  /** Up to the photo's edge. */
  room: number;
}

function pulled(start: number, length: number, grip: -1 | 0 | 1, to: number, most: number): Side {
  if (grip === 0) return { fixed: start, direction: 1, length, room: most - start };
  const fixed = grip < 0 ? start + length : start;
  const direction = to < fixed ? -1 : 1;
  const room = direction < 0 ? fixed : most - fixed;
  return { fixed, direction, length: Math.min(room, Math.abs(to - fixed)), room };
}

function rectOf(across: Side, down: Side): Rect {
  const [left, width] = span(across);
  const [top, height] = span(down);
  return { left, top, width, height };
}

/** Start and length in whole pixels. */
function span({ fixed, direction, length, room }: Side): [number, number] {
  const whole = Math.min(Math.floor(room), Math.round(length));
  return [direction < 0 ? fixed - whole : fixed, whole];
}

/** The largest crop of a ratio in the middle of another one. */
export function atRatio({ left, top, width, height }: Rect, ratio: number): Rect {
  const wide = Math.max(1, Math.min(width, Math.round(height * ratio)));
  const tall = Math.max(1, Math.min(height, Math.round(width / ratio)));
  return {
    left: left + Math.floor((width - wide) / 2),
    top: top + Math.floor((height - tall) / 2),
    width: wide,
    height: tall,
  };
}
