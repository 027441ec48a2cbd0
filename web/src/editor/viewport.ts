/** Which part of a photo is seen, and how large. */

import type { Size } from "./steps";

export interface Point {
  x: number;
  y: number;
}

/** A point of the photo is shown at scale · point + (left, top), in pixels of the page. */
export interface Viewport {
  scale: number;
  left: number;
  top: number;
}

/** The canvas, and what lies over its edges. */
export interface Frame extends Size {
  insets: { top: number; right: number; bottom: number; left: number };
}

const LARGEST = 32;
/** Of the scale at which the photo fits. */
const SMALLEST = 0.5;

/** The whole photo in the middle of what is free; no larger than four times itself. */
export function fitted(photo: Size, { width, height, insets }: Frame): Viewport {
  const [free, tall] = [width - insets.left - insets.right, height - insets.top - insets.bottom];
  const scale = Math.max(1e-3, Math.min(free / photo.width, tall / photo.height, 4));
  return {
    scale,
    left: insets.left + (free - photo.width * scale) / 2,
    top: insets.top + (tall - photo.height * scale) / 2,
  };
}

export function toPhoto({ scale, left, top }: Viewport, { x, y }: Point): Point {
  return { x: (x - left) / scale, y: (y - top) / scale };
}

export function toScreen({ scale, left, top }: Viewport, { x, y }: Point): Point {
  return { x: x * scale + left, y: y * scale + top };
}

/** Larger by a factor; what is under the point of the screen stays there. */
export function zoomed(viewport: Viewport, factor: number, at: Point, photo: Size, frame: Frame): Viewport {
  const smallest = Math.min(1, fitted(photo, frame).scale) * SMALLEST;
  const scale = Math.min(LARGEST, Math.max(smallest, viewport.scale * factor));
  const kept = toPhoto(viewport, at);
  return clamped({ scale, left: at.x - kept.x * scale, top: at.y - kept.y * scale }, photo, frame);
}

export function moved(viewport: Viewport, by: Point, photo: Size, frame: Frame): Viewport {
  return clamped({ ...viewport, left: viewport.left + by.x, top: viewport.top + by.y }, photo, frame);
}

/** Moved as little as possible so that a point of the photo is seen, and a little round it. */
export function showing(viewport: Viewport, point: Point, photo: Size, { width, height, insets }: Frame): Viewport {
  const at = toScreen(viewport, point);
  const margin = 24;
  const x = Math.min(Math.max(at.x, insets.left + margin), width - insets.right - margin);
  const y = Math.min(Math.max(at.y, insets.top + margin), height - insets.bottom - margin);
  return moved(viewport, { x: x - at.x, y: y - at.y }, photo, { width, height, insets });
}

/** The middle of what is free. */
export function middle({ width, height, insets }: Frame): Point {
  return { x: (insets.left + width - insets.right) / 2, y: (insets.top + height - insets.bottom) / 2 };
}

/** The photo never leaves the screen, even when that becomes smaller: some of it is always over the middle. */
export function clamped({ scale, left, top }: Viewport, photo: Size, frame: Frame): Viewport {
  const centre = middle(frame);
  return {
    scale,
    left: Math.min(centre.x, Math.max(centre.x - photo.width * scale, left)),
    top: Math.min(centre.y, Math.max(centre.y - photo.height * scale, top)),
  };
}
