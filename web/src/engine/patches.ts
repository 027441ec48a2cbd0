/** Rectangles of a fill's picture: its pieces with a margin. */

import type { Photo, Rect } from "./engine";

/** Margin as a share of the photo's longer side: at least a pixel when the whole photo is shown. */
const MARGIN = 1 / 250;
const MIN_MARGIN = 8;

/** A rectangle with a margin, within a photo. */
export function withMargin({ left, top, width, height }: Rect, photo: Pick<Photo, "width" | "height">): Rect {
  const margin = Math.max(MIN_MARGIN, Math.ceil(Math.max(photo.width, photo.height) * MARGIN));
  const [first, above] = [Math.max(0, left - margin), Math.max(0, top - margin)];
  const right = Math.min(photo.width, left + width + margin);
  const bottom = Math.min(photo.height, top + height + margin);
  return { left: first, top: above, width: right - first, height: bottom - above };
}
