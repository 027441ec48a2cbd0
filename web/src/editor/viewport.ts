/** The viewport: which part of a photo is visible, at which scale. */

import type { Margins } from "../engine/engine";
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

/** The canvas, and the insets covered by elements over its edges. */
export interface Frame extends Size {
  insets: { top: number; right: number; bottom: number; left: number };
}

const MAX_SCALE = 32;
/** Minimum zoom, as a factor of the scale at which the photo fits. */
const MIN_ZOOM = 0.5;

/** Fit the photo into the free area, centred, at up to 400 %. */
export function fitted(photo: Size, { width, height, insets }: Frame): Viewport {
  const [free, tall] = [width - insets.left - insets.right, height - insets.top - insets.bottom];
  const scale = Math.max(1e-3, Math.min(free / photo.width, tall / photo.height, 4));
  return {
    scale,
    left: insets.left + (free - photo.width * scale) / 2,
    top: insets.top + (tall - photo.height * scale) / 2,
  };
}

/** Room for pulling edges outwards, as a share of the longer side. */
const PULL = 0.12;

/** Fit the photo with margins to be added, and with room to pull them. */
export function fittedAround(photo: Size, { left, top, right, bottom }: Margins, frame: Frame): Viewport {
  const [width, height] = [photo.width + left + right, photo.height + top + bottom];
  const pull = PULL * Math.max(width, height);
  const whole = fitted({ width: width + 2 * pull, height: height + 2 * pull }, frame);
  const at = toScreen(whole, { x: left + pull, y: top + pull });
  return { scale: whole.scale, left: at.x, top: at.y };
}

export function toPhoto({ scale, left, top }: Viewport, { x, y }: Point): Point {
  return { x: (x - left) / scale, y: (y - top) / scale };
}

export function toScreen({ scale, left, top }: Viewport, { x, y }: Point): Point {
  return { x: x * scale + left, y: y * scale + top };
}

/** Zoom by a factor around a point of the screen. */
export function zoomed(viewport: Viewport, factor: number, at: Point, photo: Size, frame: Frame): Viewport {
  const smallest = Math.min(1, fitted(photo, frame).scale) * MIN_ZOOM;
  const scale = Math.min(MAX_SCALE, Math.max(smallest, viewport.scale * factor));
  const kept = toPhoto(viewport, at);
  return clamped({ scale, left: at.x - kept.x * scale, top: at.y - kept.y * scale }, photo, frame);
}

export function moved(viewport: Viewport, by: Point, photo: Size, frame: Frame): Viewport {
  return clamped({ ...viewport, left: viewport.left + by.x, top: viewport.top + by.y }, photo, frame);
}

/** Scroll a point of the photo into view, with a margin. */
export function showing(viewport: Viewport, point: Point, photo: Size, { width, height, insets }: Frame): Viewport {
  const at = toScreen(viewport, point);
  const margin = 24;
  const x = Math.min(Math.max(at.x, insets.left + margin), width - insets.right - margin);
  const y = Math.min(Math.max(at.y, insets.top + margin), height - insets.bottom - margin);
  return moved(viewport, { x: x - at.x, y: y - at.y }, photo, { width, height, insets });
}

/** The centre of the free area. */
export function middle({ width, height, insets }: Frame): Point {
  return { x: (insets.left + width - insets.right) / 2, y: (insets.top + height - insets.bottom) / 2 };
}

/** Clamp, so that the photo always covers the centre of the free area. */
export function clamped({ scale, left, top }: Viewport, photo: Size, frame: Frame): Viewport {
  const centre = middle(frame);
  return {
    scale,
    left: Math.min(centre.x, Math.max(centre.x - photo.width * scale, left)),
    top: Math.min(centre.y, Math.max(centre.y - photo.height * scale, top)),
  };
}
