/** Zooming, moving and comparing: what changes how the photo is seen, and nothing of the photo. */

import type { State } from "./state";
import { middle, moved, type Point, showing, zoomed } from "./viewport";

/** Larger by a factor, round a point of the canvas or its middle. */
export function zoom(state: State, factor: number, at?: Point): void {
  const { photo, frame, viewport, look } = state;
  if (photo.value === null) return;
  look.value = zoomed(viewport.value, factor, at ?? middle(frame.value), photo.value, frame.value);
}

/** One pixel of the photo for one of the page, and not on two of them: nothing is blurred. */
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

/** Move the photo so that the cursor is seen. */
export function follow(state: State, cursor: Point): void {
  const { photo, frame, viewport, look } = state;
  if (photo.value === null) return;
  const next = showing(viewport.value, cursor, photo.value, frame.value);
  const { left, top } = viewport.value;
  if (next.left !== left || next.top !== top) look.value = next;
}

/** Show the original for as long as a key or a button is held. */
export function holdOriginal(state: State, held: boolean): void {
  if (state.photo.value === null || state.live.value !== null) return;
  if (held && state.comparison.value === "none") state.comparison.value = "original";
  if (!held && state.comparison.value === "original") state.comparison.value = "none";
}

/** Show the original beside the result, with a line to be moved between them. */
export function toggleSlider(state: State): void {
  if (state.photo.value === null) return;
  state.comparison.value = state.comparison.value === "slider" ? "none" : "slider";
}

/** Move the line, to a share of the photo's width. */
export function slide(state: State, share: number): void {
  state.split.value = Math.min(1, Math.max(0, share));
}

/** Another size of the brush, in pixels of the photo. */
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
