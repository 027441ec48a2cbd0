/** The unobstructed part of the canvas. */

import type { State } from "./state";

const GAP = 12;

/**
 * Measure the canvas and the elements over its edges.
 *
 * @param main - filled by the canvas; its elements with `data-over` lie over an edge
 */
export function measure(state: State, main: HTMLElement): void {
  const whole = main.getBoundingClientRect();
  if (whole.width === 0 || whole.height === 0) return; // another view is shown
  const insets = { top: GAP, right: GAP, bottom: GAP, left: GAP };
  for (const element of main.querySelectorAll("[data-over]")) {
    const { left, top, bottom, width, height } = element.getBoundingClientRect();
    const isTall = height > whole.height / 2 || height > width;
    if (isTall && width > whole.width / 2) continue; // for a moment only
    if (isTall) insets.right = Math.max(insets.right, whole.right - left + GAP);
    else if (top + bottom > whole.top + whole.bottom) insets.bottom = Math.max(insets.bottom, whole.bottom - top + GAP);
    else insets.top = Math.max(insets.top, bottom - whole.top + GAP);
  }
  state.frame.value = { width: whole.width, height: whole.height, insets };
}
