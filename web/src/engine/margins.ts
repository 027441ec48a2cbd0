/** Margins that extend a photo; as `onar/masks/margins.py`. */

import type { Margins, Photo, Rect } from "./engine";

export const NO_MARGINS: Margins = { left: 0, top: 0, right: 0, bottom: 0 };

export function hasMargins({ left, top, right, bottom }: Margins): boolean {
  return left + top + right + bottom > 0;
}

/** Margins round margins. */
export function sumOf(one: Margins, other: Margins): Margins {
  return {
    left: one.left + other.left,
    top: one.top + other.top,
    right: one.right + other.right,
    bottom: one.bottom + other.bottom,
  };
}

/** Margins in the format of the API. */
export function writtenMargins({ left, top, right, bottom }: Margins): string {
  return `${left},${top},${right},${bottom}`;
}

/** A size with margins. */
export function largerBy<T extends { width: number; height: number }>(size: T, margins: Margins): T {
  const { left, top, right, bottom } = margins;
  return { ...size, width: size.width + left + right, height: size.height + top + bottom };
}

/** A photo with other margins than it has. */
export function extendedTo(photo: Photo, margins: Margins): Photo {
  if (writtenMargins(photo.margins) === writtenMargins(margins)) return photo;
  const { width, height } = innerOf(photo);
  return { ...largerBy({ ...photo, width, height }, margins), margins };
}

/** The place of the file's own pixels in a photo with margins. */
export function innerOf({ width, height, margins }: Pick<Photo, "width" | "height" | "margins">): Rect {
  const { left, top, right, bottom } = margins;
  return { left, top, width: width - left - right, height: height - top - bottom };
}

/** The margins round a photo of a size as disjoint rectangles, in pixels of the larger one. */
export function rectsOf(margins: Margins, { width, height }: { width: number; height: number }): Rect[] {
  const { left, top, right, bottom } = margins;
  const wide = left + width + right;
  const all: Rect[] = [
    { left: 0, top: 0, width: wide, height: top },
    { left: 0, top, width: left, height },
    { left: left + width, top, width: right, height },
    { left: 0, top: top + height, width: wide, height: bottom },
  ];
  return all.filter((rect) => rect.width > 0 && rect.height > 0);
}
