/** A drawing from pointer down to pointer up. */

import type { Copying, Margins, Rect } from "../engine/engine";
import type { Step } from "./steps";
import type { Point } from "./viewport";

/** The current step, from pointer down to pointer up; a new object for every change. */
export interface Live {
  step: Step;
  /** Whether the tool was moved since it was put down. */
  moved: boolean;
  /** Extend to a point; returns whether that changed anything. */
  extend(touch: Touch): boolean;
  /** Of a stroke that copies instead of marking. */
  copying?: Copying;
  /** The part of the photo that is drawn, instead of marks. */
  crop?: Rect;
  /** The margins that are pulled, instead of marks. */
  margins?: Margins;
  /** Of a tool that stays down from click to click. */
  corners?: Corners;
  /** Whether the step is shrunk onto an outline when the tool is lifted. */
  shrinks?: boolean;
}

/** The corners of a line that is being drawn; its last segment follows the pointer. */
export interface Corners {
  count(): number;
  last(): Point;
  /** Make the end of the last segment a corner. */
  add(): void;
  /** Remove the last corner. */
  remove(): void;
  /** The line through the corners alone. */
  step(): Step;
}

/** A position of a tool. */
export interface Touch extends Point {
  /** Pressure of a pen, from 0 to 1. */
  pressure: number;
}
