/** Painting: from pointer and key input to steps of the mask. */

import { painted } from "./document";
import { fill, fillAgain } from "./filling";
import { save } from "./saving";
import { abandon, change, isReady, type Live, type State, type ToolName, type Touch } from "./state";
import { extentOf, type Step, type Stroke } from "./steps";

/** The first step of each tool. */
type Drawing = Omit<Live, "moved">;
type Start = (touch: Touch, erases: boolean, radius: number) => Drawing;

const STARTS: Record<Exclude<ToolName, "hand">, Start> = {
  brush: startStroke,
  eraser: (touch, _, radius) => startStroke(touch, true, radius),
  rectangle: startRectangle,
  lasso: startLasso,
};

/** Radii are quantised, so that a stroke with varying pressure is few paths. */
const PRESSURES = 16;
/** Minimum radius in pixels of the photo; smaller ones may cover no pixel by half. */
const MIN_RADIUS = 0.85;

function startStroke(touch: Touch, erases: boolean, radius: number): Drawing {
  const points = [touch.x, touch.y, pressed(radius, touch)];
  return {
    step: { kind: "stroke", erases, points },
    extend(next) {
      const [x, y] = points.slice(-3);
      if (next.x === x && next.y === y) return false;
      points.push(next.x, next.y, pressed(radius, next));
      return true;
    },
  };
}

function pressed(radius: number, { pressure }: Touch): number {
  return Math.max(MIN_RADIUS, radius * (0.2 + (0.8 * Math.round(pressure * PRESSURES)) / PRESSURES));
}

/** Rounded to whole pixels: a rectangle has no half-covered edge. */
function startRectangle(from: Touch, erases: boolean): Drawing {
  const rect = { left: Math.round(from.x), top: Math.round(from.y), width: 0, height: 0 };
  return {
    step: { kind: "rectangle", erases, rect },
    extend(to) {
      rect.left = Math.round(Math.min(from.x, to.x));
      rect.top = Math.round(Math.min(from.y, to.y));
      rect.width = Math.round(Math.max(from.x, to.x)) - rect.left;
      rect.height = Math.round(Math.max(from.y, to.y)) - rect.top;
      return true;
    },
  };
}

function startLasso(from: Touch, erases: boolean): Drawing {
  const points = [from.x, from.y];
  return {
    step: { kind: "lasso", erases, points },
    extend(to) {
      points.push(to.x, to.y);
      return true;
    },
  };
}

/** Put the tool down. */
export function begin(state: State, touch: Touch, erases = false): void {
  const tool = state.tool.value;
  if (!isReady(state) || state.comparison.value !== "none" || tool === "hand") return;
  state.message.value = null;
  state.live.value = { ...STARTS[tool](touch, erases, state.size.value / 2), moved: false };
}

/** Draw a straight line with brush or eraser from where it was lifted last. */
export function beginLine(state: State, touch: Touch, erases = false): void {
  const from = state.lifted.value;
  const draws = state.tool.value === "brush" || state.tool.value === "eraser";
  begin(state, draws && from !== null ? { ...from, pressure: touch.pressure } : touch, erases);
  extend(state, [touch]);
}

/** Move the tool along points. */
export function extend(state: State, touches: Touch[]): void {
  const live = state.live.value;
  if (live === null) return;
  let changed = false;
  for (const touch of touches) changed = live.extend(touch) || changed;
  if (changed) state.live.value = { ...live, moved: true };
}

/** Lift the tool, and record its step. */
export function lift(state: State): void {
  const step = state.live.value?.step;
  abandon(state);
  if (step?.kind === "stroke") state.lifted.value = endOf(step);
  if (step === undefined || state.photo.value === null || !isReady(state)) return;
  const marks = extentOf([step], state.photo.value) !== null;
  if (!marks && (state.work.value.mask.length === 0 || !isErasing(step))) return;
  change(state, painted(state.work.value, step));
  if (state.fillsOnLift.value && marks) void fill(state);
}

/** Fill the marked pixels; a tool that is still down is lifted first. */
export async function liftAndFill(state: State): Promise<void> {
  liftMoved(state);
  await fill(state);
}

/** Fill again; a tool that is still down is lifted first. */
export async function liftAndFillAgain(state: State): Promise<void> {
  liftMoved(state);
  await fillAgain(state);
}

/** Save the photo; a tool that is still down is lifted first. */
export async function liftAndSave(state: State): Promise<void> {
  liftMoved(state);
  await save(state);
}

/** Lift the tool, or drop its step if it was not moved: a tap on the space bar paints no dot. */
export function liftMoved(state: State): void {
  if (state.live.value?.moved) lift(state);
  else abandon(state);
}

function endOf({ points }: Stroke): Touch {
  const [x, y] = points.slice(-3);
  return { x, y, pressure: 1 };
}

function isErasing(step: Step): boolean {
  return "erases" in step && step.erases;
}
