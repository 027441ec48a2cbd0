/** Zooming, panning and comparing, which do not change the photo. */

import type { State } from "./state";
import { middle, moved, type Point, showing, zoomed } from "./viewport";

/** Zoom by a factor around a point of the canvas or its centre. */
export function zoom(state: State, factor: number, at?: Point): void {
  const { photo, frame, viewport, look } = state;
  if (photo.value === null) return;
  look.value = zoomed(viewport.value, factor, at ?? middle(frame.value), photo.value, frame.value);
}

/** Zoom to 100 %, aligned with CSS pixels. */
export function zoomToPixels(state: State): void {
  zoom(state, 1 / state.viewport.value.scale);
  const { left, top } = state.viewport.value;
  state.look.value = { scale: 1, left: Math.round(left), top: Math.round(top) };
}

/** The whole photo. */
export function zoomToFit(state: State): void {
  state.look.value = null;
}

export function move(state: State, by: Point): void {
  const { photo, frame, viewport, look } = state;
  if (photo.value !== null) look.value = moved(viewport.value, by, photo.value, frame.value);
}

/** Scroll the cursor into view. */
export function follow(state: State, cursor: Point): void {
  const { photo, frame, viewport, look } = state;
  if (photo.value === null) return;
  const next = showing(viewport.value, cursor, photo.value, frame.value);
  const { left, top } = viewport.value;
  if (next.left !== left || next.top !== top) look.value = next;
}

/** Show the original while a key or button is held. */
export function holdOriginal(state: State, held: boolean): void {
  if (state.photo.value === null || state.live.value !== null) return;
  if (held && state.comparison.value === "none") state.comparison.value = "original";
  if (!held && state.comparison.value === "original") state.comparison.value = "none";
}

/** Show the comparison slider between original and result. */
export function toggleSlider(state: State): void {
  if (state.photo.value === null) return;
  state.comparison.value = state.comparison.value === "slider" ? "none" : "slider";
}

/** Move the slider to a share of the photo's width. */
export function slide(state: State, share: number): void {
  state.split.value = Math.min(1, Math.max(0, share));
}

/** Set the brush size, in pixels of the photo. */
export function resize(state: State, size: number): void {
  state.size.value = Math.min(largestSize(state), Math.max(1, Math.round(size)));
}

export function largestSize({ photo }: State): number {
  return photo.value === null ? 200 : Math.max(50, Math.round(Math.max(photo.value.width, photo.value.height) / 4));
}

/** A little larger (1) or smaller (-1). */
export function stepSize(state: State, direction: 1 | -1): void {
  const { value } = state.size;
  resize(state, direction > 0 ? Math.max(value + 1, value * 1.15) : Math.min(value - 1, value / 1.15));
}
