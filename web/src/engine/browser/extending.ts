/** Photos with margins, which are filled as holes; as `extended_photo` in `onar/inference/extending.py`. */

import type { Margins } from "../engine";
import { hasMargins, largerBy, rectsOf } from "../margins";
import type { Decoded } from "./decoding";

const BLACK = 0x000000ff;

/** A photo with margins, black and opaque; the photo itself where there are none. */
export function extended(photo: Decoded, margins: Margins): Decoded {
  if (!hasMargins(margins)) return photo;
  const { width, height } = largerBy({ width: photo.width, height: photo.height }, margins);
  const rgba = new Uint8ClampedArray(4 * width * height);
  const words = new DataView(rgba.buffer);
  for (const rect of rectsOf(margins, photo)) {
    for (let row = rect.top; row < rect.top + rect.height; row++) {
      for (let at = row * width + rect.left, end = at + rect.width; at < end; at++) words.setUint32(4 * at, BLACK);
    }
  }
  for (let row = 0; row < photo.height; row++) {
    const from = 4 * row * photo.width;
    const to = 4 * ((margins.top + row) * width + margins.left);
    rgba.set(photo.rgba.subarray(from, from + 4 * photo.width), to);
  }
  return { width, height, rgba };
}
