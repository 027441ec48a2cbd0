/** What is shown of a fill: rectangles a little larger than its pieces, with the photo round them. */

import type { Photo, Rect } from "./engine";

/** Of the photo's longer side: on a screen that shows all of it, a pixel or more on any. */
const MARGIN = 1 / 250;
const LEAST_MARGIN = 8;

/** A rectangle with a margin, within a photo. */
export function withMargin({ left, top, width, height }: Rect, photo: Pick<Photo, "width" | "height">): Rect {
  const margin = Math.max(LEAST_MARGIN, Math.ceil(Math.max(photo.width, photo.height) * MARGIN));
  const [first, above] = [Math.max(0, left - margin), Math.max(0, top - margin)];
  const right = Math.min(photo.width, left + width + margin);
  const bottom = Math.min(photo.height, top + height + margin);
  return { left: first, top: above, width: right - first, height: bottom - above };
}
