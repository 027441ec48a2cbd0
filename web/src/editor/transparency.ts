/** Whether a hole covers pixels of the photo that are not opaque. */

import type { Hole, Photo, Piece } from "../engine/engine";

const OPAQUE = 255;

/** Side in pixels of the picture that is searched: browsers limit canvases, and a hole may be as large as a photo. */
const MAX_SIDE = 512;

export function isSeenThrough({ view, width }: Photo, hole: Hole): boolean {
  return hole.some((piece) => isPieceSeenThrough(view, view.width / width, piece));
}

/** @param shown - size of the view in relation to the photo */
function isPieceSeenThrough(view: ImageBitmap, shown: number, { rect, mask }: Piece): boolean {
  const scale = Math.min(shown, MAX_SIDE / Math.max(rect.width, rect.height));
  const [width, height] = [Math.ceil(scale * rect.width), Math.ceil(scale * rect.height)];
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (context === null) return false;
  const [left, top, right, down] = [rect.left, rect.top, rect.width, rect.height].map((length) => length * shown);
  context.imageSmoothingEnabled = false; // the edges of what is drawn would be translucent
  context.drawImage(view, left, top, right, down, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const isMarked = (at: number): boolean => {
    const x = Math.floor(((at % width) * rect.width) / width);
    const y = Math.floor((Math.floor(at / width) * rect.height) / height);
    return mask[y * rect.width + x] !== 0;
  };
  for (let at = 0; at < width * height; at++) if (data[4 * at + 3] !== OPAQUE && isMarked(at)) return true;
  return false;
}
