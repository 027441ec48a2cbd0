/** Margins to be added to a photo: pulled at its edges, or typed. */

import type { Margins } from "../engine/engine";
import { largerBy } from "../engine/margins";
import { type Grip, gripAt } from "./crop";
import type { Live, Touch } from "./live";
import { isReady, type State } from "./state";
import type { Size } from "./steps";
import type { Point } from "./viewport";

/** How near to an edge is on it, in CSS pixels: room for a finger. */
const NEAR = 24;
/** Maximum of a margin in pixels. */
export const MAX_MARGIN = 99_999;

/** The margins as they are drawn now. */
export function marginsSeen({ live, margins }: State): Margins {
  return live.value?.margins ?? margins.value;
}

/** Pull the edge at a point outwards, or back; null where there is none. */
export function startMargins(state: State, from: Touch): Omit<Live, "moved"> | null {
  const photo = state.photo.value;
  if (photo === null || !isReady(state)) return null;
  const margins = { ...state.margins.value };
  const rect = { left: -margins.left, top: -margins.top, ...sizeOf(largerBy(photo, margins)) };
  const grip = gripAt(rect, from, NEAR / state.viewport.value.scale);
  if (grip === null || (grip.x === 0 && grip.y === 0)) return null;
  return {
    step: { kind: "rectangle", erases: false, rect },
    margins,
    extend(to) {
      Object.assign(margins, pulledMargins(margins, grip, to, photo));
      return true;
    },
  };
}

function sizeOf({ width, height }: Size): Size {
  return { width, height };
}

/** Margins whose gripped edges are at a point. */
export function pulledMargins(margins: Margins, { x, y }: Grip, to: Point, photo: Size): Margins {
  return {
    left: x < 0 ? limited(-to.x) : margins.left,
    right: x > 0 ? limited(to.x - photo.width) : margins.right,
    top: y < 0 ? limited(-to.y) : margins.top,
    bottom: y > 0 ? limited(to.y - photo.height) : margins.bottom,
  };
}

/** Set one margin; what is no number leaves it as it is. */
export function setMargin(state: State, side: keyof Margins, pixels: number): void {
  if (state.photo.value === null || !isReady(state) || !Number.isFinite(pixels)) return;
  state.margins.value = { ...state.margins.value, [side]: limited(pixels) };
}

function limited(pixels: number): number {
  return Math.min(MAX_MARGIN, Math.max(0, Math.round(pixels)));
}

/** Percent of the extended photo that are not in its file. */
export function newPercent({ opened, photo }: State, margins: Margins): number {
  if (opened.value === null || photo.value === null) return 0;
  const { width, height } = largerBy(photo.value, margins);
  return 100 * (1 - (opened.value.width * opened.value.height) / (width * height));
}
