/** Choosing the part of the photo that is saved. */

import type { Rect } from "../engine/engine";
import { atRatio, gripAt, movedBy, pulledTo } from "./crop";
import { cropped } from "./document";
import type { Live, Touch } from "./live";
import { change, isReady, type State } from "./state";
import { within } from "./steps";

/** How near to an edge is on it, in CSS pixels. */
const NEAR = 14;
/** Ratios to choose from; 0 is that of the photo. */
export const RATIOS: readonly [string, number][] = [
  ["1:1", 1],
  ["4:3", 4 / 3],
  ["3:2", 3 / 2],
  ["16:9", 16 / 9],
];

/** The ratio that was chosen, lying or standing as the photo is. */
function ratioOf({ photo, ratio }: State): number | null {
  if (photo.value === null || ratio.value === null) return null;
  const { width, height } = photo.value;
  if (ratio.value === 0) return width / height;
  return width < height ? 1 / ratio.value : ratio.value;
}

/** The crop as it is drawn now; the whole photo where there is none. */
export function cropSeen({ photo, live, work }: State): Rect {
  const { width = 1, height = 1 } = photo.value ?? {};
  return live.value?.crop ?? work.value.crop ?? { left: 0, top: 0, width, height };
}

/** Draw a crop, or move the present one or its edges. */
export function startCrop(state: State, from: Touch): Omit<Live, "moved"> | null {
  const photo = state.photo.value;
  if (photo === null || !isReady(state)) return null;
  const before = state.work.value.crop;
  const grip = before ? gripAt(before, from, NEAR / state.viewport.value.scale) : null;
  const [left, top] = [clipped(from.x, photo.width), clipped(from.y, photo.height)];
  const crop = before && grip ? { ...before } : { left, top, width: 0, height: 0 };
  const start = { ...crop };
  return {
    step: { kind: "rectangle", erases: false, rect: crop },
    crop,
    extend(to) {
      const isMoved = grip?.x === 0 && grip.y === 0;
      const next = isMoved
        ? movedBy(start, to.x - from.x, to.y - from.y, photo)
        : pulledTo(start, grip ?? { x: 1, y: 1 }, to, ratioOf(state), photo);
      Object.assign(crop, next);
      return true;
    },
  };
}

function clipped(at: number, most: number): number {
  return Math.min(most, Math.max(0, Math.round(at)));
}

/** Record a crop; null, and one of the whole photo, for none. */
export function setCrop(state: State, rect: Rect | null): void {
  const photo = state.photo.value;
  if (photo === null || !isReady(state)) return;
  const part = rect && within(rect, photo);
  if (rect !== null && part === null) return; // a click
  const isWhole = part?.width === photo.width && part.height === photo.height;
  const crop = isWhole ? null : part;
  if (crop === null && state.work.value.crop === undefined) return;
  change(state, cropped(state.work.value, crop));
}

/** Choose a ratio; the crop takes it, too. */
export function setRatio(state: State, ratio: number | null): void {
  state.ratio.value = ratio;
  const wanted = ratioOf(state);
  if (wanted !== null) setCrop(state, atRatio(cropSeen(state), wanted));
}

/** Change one number of the crop; others give way at the photo's edges. */
export function setCropNumber(state: State, name: keyof Rect, value: number): void {
  const photo = state.photo.value;
  if (photo === null || !Number.isFinite(value)) return;
  const rect = { ...cropSeen(state) };
  const [start, length] =
    name === "left" || name === "width" ? (["left", "width"] as const) : (["top", "height"] as const);
  const most = length === "width" ? photo.width : photo.height;
  rect[name] = Math.min(
    name === start ? most - 1 : most - rect[start],
    Math.max(name === start ? 0 : 1, Math.round(value)),
  );
  rect[length] = Math.min(rect[length], most - rect[start]);
  setCrop(state, rect);
}
