/** Painting: from pointer and key input to steps of the mask. */

import { setCrop, startCrop } from "./cropping";
import { painted } from "./document";
import { extendPhoto, extendsPhoto } from "./extending";
import { fill, fillAgain } from "./filling";
import { takeColour } from "./like_colour";
import { startLine, straightened } from "./line";
import type { Corners, Live, Touch } from "./live";
import { startMargins } from "./margins";
import { shrinkLasso } from "./outlining";
import { copyPhoto, save } from "./saving";
import { isStamp, type StampName } from "./stamp";
import { copyingFrom, stampStroke } from "./stamping";
import { abandon, change, isPaintable, isReady, type State, type ToolName } from "./state";
import { extentOf, type Step, type Stroke } from "./steps";
import type { Point } from "./viewport";

/** The first step of each tool. */
type Drawing = Omit<Live, "moved">;
type Start = (touch: Touch, erases: boolean, radius: number) => Drawing;
/** Tools that draw nothing. */
type OtherTool = "hand" | "colour" | "crop" | "extend" | StampName;

const STARTS: Record<Exclude<ToolName, OtherTool>, Start> = {
  brush: startStroke,
  eraser: (touch, _, radius) => startStroke(touch, true, radius),
  rectangle: startRectangle,
  lasso: startLasso,
  outline: (touch, erases) => ({ ...startLasso(touch, erases), shrinks: true }),
  line: (touch, erases, radius) => startLine(touch, erases, Math.max(MIN_RADIUS, radius)),
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

/** Choose a tool; a line that is being drawn ends. */
export function chooseTool(state: State, tool: ToolName): void {
  if (state.live.value?.corners) lift(state);
  if (state.live.value === null) state.tool.value = tool;
}

/** Put the tool down. */
export function begin(state: State, touch: Touch, erases = false): void {
  const tool = state.tool.value;
  const can = tool === "colour" || tool === "outline" ? isReady(state) : isPaintable(state);
  if (!can || state.comparison.value !== "none" || tool === "hand") return;
  state.message.value = null;
  if (tool === "colour") void takeColour(state, touch, erases);
  else if (isStamp(tool)) beginStamp(state, touch);
  else if (tool === "crop") beginFrame(state, startCrop(state, touch));
  else if (tool === "extend") beginFrame(state, startMargins(state, touch));
  else state.live.value = { ...STARTS[tool](touch, erases, state.size.value / 2), moved: false };
}

function beginFrame(state: State, drawing: Drawing | null): void {
  if (drawing !== null) state.live.value = { ...drawing, moved: false };
}

/** Put a brush down that copies; not while something else is at work, whose result it would have to wait for. */
function beginStamp(state: State, touch: Touch): void {
  if (!isReady(state) && state.busy.value?.what !== "cloning") return;
  const copying = copyingFrom(state, touch);
  if (copying === null) return;
  state.live.value = { ...startStroke(touch, false, state.size.value / 2), copying, moved: false };
}

/** Draw a straight line with brush or eraser from where it was lifted last. */
export function beginLine(state: State, touch: Touch, erases = false): void {
  const from = state.lifted.value;
  const { value: tool } = state.tool;
  const draws = tool === "brush" || tool === "eraser" || isStamp(tool);
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

/** Lead the last segment of a line to a point; `straight` turns it to the nearest of eight directions. */
export function aim(state: State, to: Point, straight = false): void {
  const corners = state.live.value?.corners;
  if (corners) extend(state, [{ ...(straight ? straightened(corners.last(), to) : to), pressure: 1 }]);
}

/**
 * Make the end of a line's last segment a corner; the last corner once more ends the line.
 *
 * @param near - how far from a corner is on it, in pixels of the photo
 * @param ends - false for the press that began the line
 */
export function addCorner(state: State, near: number, ends = true): void {
  const live = state.live.value;
  if (!live?.corners || live.step.kind !== "stroke") return;
  const [last, end] = [live.corners.last(), endOf(live.step)];
  const isSame = Math.hypot(end.x - last.x, end.y - last.y) <= near;
  if (!isSame) live.corners.add();
  else if (ends) lift(state);
}

/** Lift the tool, and record its step. */
export function lift(state: State): void {
  const { step: drawn, corners, shrinks, copying, crop, margins } = state.live.value ?? {};
  const step = corners ? lineOf(corners) : drawn;
  abandon(state);
  if (crop !== undefined) {
    setCrop(state, crop);
    return;
  }
  if (margins !== undefined) {
    state.margins.value = margins;
    return;
  }
  if (step?.kind === "lasso" && shrinks) {
    void shrinkLasso(state, step);
    return;
  }
  if (step?.kind === "stroke") state.lifted.value = endOf(step);
  if (step === undefined || state.photo.value === null || !isPaintable(state)) return;
  if (step.kind === "stroke" && copying !== undefined) {
    void stampStroke(state, step, copying);
    return;
  }
  const marks = extentOf([step], state.photo.value) !== null;
  if (!marks && (state.work.value.mask.length === 0 || !isErasing(step))) return;
  change(state, painted(state.work.value, step));
  if (state.fillsOnLift.value && marks) void fill(state);
}

/** Fill the marked pixels, or extend the photo; a tool that is still down is lifted first. */
export async function liftAndFill(state: State): Promise<void> {
  liftMoved(state);
  await (extendsPhoto(state) ? extendPhoto(state) : fill(state));
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

/** Copy the photo; a tool that is still down is lifted first. */
export async function liftAndCopy(state: State): Promise<void> {
  liftMoved(state);
  await copyPhoto(state);
}

/** Lift the tool, or drop its step if it was not moved: a tap on the space bar paints no dot. */
export function liftMoved(state: State): void {
  if (state.live.value?.moved) lift(state);
  else abandon(state);
}

/** A line of at least one segment. */
function lineOf(corners: Corners): Step | undefined {
  return corners.count() > 1 ? corners.step() : undefined;
}

function endOf({ points }: Stroke): Touch {
  const [x, y] = points.slice(-3);
  return { x, y, pressure: 1 };
}

function isErasing(step: Step): boolean {
  return "erases" in step && step.erases;
}
