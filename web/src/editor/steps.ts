/** Steps of a mask, in pixels of the photo, and how they are drawn, on the screen and for the engine. */

import type { Rect } from "../engine/engine";

export interface Size {
  width: number;
  height: number;
}

/** A stroke of brush or eraser. */
export interface Stroke {
  kind: "stroke";
  erases: boolean;
  /** x, y and radius of each point, one point after the other. */
  points: readonly number[];
}

export interface Rectangle {
  kind: "rectangle";
  erases: boolean;
  rect: Rect;
}

export interface Lasso {
  kind: "lasso";
  erases: boolean;
  /** x and y of each corner, one corner after the other. */
  points: readonly number[];
}

/** How a bitmap was made. */
export type Maker = "file" | "grow" | "outline" | "colour" | "found";

/** A mask of pixels. */
export interface Bitmap {
  kind: "bitmap";
  made: Maker;
  erases: boolean;
  rect: Rect;
  /** rect.width × rect.height; 255 is marked, 0 is not. */
  mask: Uint8Array<ArrayBuffer>;
  /** The same as an image in the paint's colour, perhaps reduced. */
  image: OffscreenCanvas;
}

/** Inversion of the mask. */
export interface Inversion {
  kind: "inversion";
}

export type Step = Stroke | Rectangle | Lasso | Bitmap | Inversion;

/** The colour of the mask, rare in photos; the mask is its opacity. */
export const PAINT = "#e01f8b";

export type Context = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

/**
 * Draw a step over the steps before it.
 *
 * @param context - in pixels of the photo, clipped to the photo
 * @param fringe - how far erasing extends beyond its shape: antialiased edges would leave an outline
 * @param from - of a stroke, the first point that is not drawn yet
 */
export function drawStep(context: Context, step: Step, photo: Size, fringe = 0, from = 0): void {
  context.save();
  context.fillStyle = PAINT;
  context.strokeStyle = PAINT;
  if (step.kind === "inversion") context.globalCompositeOperation = "xor";
  else if (step.erases) context.globalCompositeOperation = "destination-out";
  const wider = step.kind !== "inversion" && step.erases ? fringe : 0;
  if (step.kind === "stroke") drawStroke(context, step.points, wider, from);
  else if (step.kind === "lasso") drawLasso(context, step.points, wider);
  else if (step.kind === "rectangle") fillRect(context, grown(step.rect, wider));
  else if (step.kind === "inversion") fillRect(context, { left: 0, top: 0, ...photo });
  else drawBitmap(context, step);
  context.restore();
}

function grown({ left, top, width, height }: Rect, by: number): Rect {
  return { left: left - by, top: top - by, width: width + 2 * by, height: height + 2 * by };
}

function fillRect(context: Context, { left, top, width, height }: Rect): void {
  context.fillRect(left, top, width, height);
}

function drawBitmap(context: Context, { image, rect }: Bitmap): void {
  // Enlarged pixels are squares; reduced ones are mixed, so that thin lines do not get lost between them.
  context.imageSmoothingEnabled = context.getTransform().a * rect.width < image.width;
  context.drawImage(image, rect.left, rect.top, rect.width, rect.height);
}

function drawLasso(context: Context, points: readonly number[], wider: number): void {
  context.beginPath();
  for (let at = 0; at < points.length; at += 2) context.lineTo(points[at], points[at + 1]);
  context.fill();
  if (wider === 0) return;
  context.closePath();
  context.lineWidth = 2 * wider;
  context.stroke();
}

/** A dot at the first point, then lines with round ends: one path for as long as the radius stays. */
function drawStroke(context: Context, points: readonly number[], wider: number, from: number): void {
  context.lineCap = "round";
  context.lineJoin = "round";
  if (from === 0) {
    context.beginPath();
    context.arc(points[0], points[1], points[2] + wider, 0, 2 * Math.PI);
    context.fill();
  }
  let radius = 0;
  for (let at = 3 * Math.max(from, 1); at < points.length; at += 3) {
    if (points[at + 2] !== radius) {
      if (radius > 0) context.stroke();
      radius = points[at + 2];
      context.lineWidth = 2 * (radius + wider);
      context.beginPath();
      context.moveTo(points[at - 3], points[at - 2]);
    }
    context.lineTo(points[at], points[at + 1]);
  }
  if (radius > 0) context.stroke();
}

/** A step at another place. */
export function shifted<Shape extends Step>(step: Shape, right: number, down: number): Shape {
  if (step.kind === "inversion") return step;
  if (step.kind === "bitmap" || step.kind === "rectangle") {
    return { ...step, rect: { ...step.rect, left: step.rect.left + right, top: step.rect.top + down } };
  }
  const stride = step.kind === "stroke" ? 3 : 2;
  const by = [right, down, 0];
  return { ...step, points: step.points.map((value, at) => value + by[at % stride]) };
}

/** The bounding box of all marks, in whole pixels; null when there are none. */
export function extentOf(steps: readonly Step[], photo: Size): Rect | null {
  const whole = { left: 0, top: 0, ...photo };
  let extent: Rect | null = null;
  for (const step of steps) {
    const rect = step.kind === "inversion" ? whole : addedBy(step);
    if (rect !== null && rect.width > 0 && rect.height > 0) extent = extent === null ? rect : union(extent, rect);
  }
  return extent === null ? null : within(extent, photo);
}

function addedBy(step: Exclude<Step, Inversion>): Rect | null {
  if (step.erases) return null;
  if (step.kind === "bitmap" || step.kind === "rectangle") return step.rect;
  const stride = step.kind === "stroke" ? 3 : 2;
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let at = 0; at < step.points.length; at += stride) {
    const [x, y] = [step.points[at], step.points[at + 1]];
    const radius = step.kind === "stroke" ? step.points[at + 2] : 0;
    [left, top] = [Math.min(left, x - radius), Math.min(top, y - radius)];
    [right, bottom] = [Math.max(right, x + radius), Math.max(bottom, y + radius)];
  }
  return { left, top, width: right - left, height: bottom - top };
}

/** The bounding box of two rectangles. */
export function union(one: Rect, other: Rect): Rect {
  const [left, top] = [Math.min(one.left, other.left), Math.min(one.top, other.top)];
  const right = Math.max(one.left + one.width, other.left + other.width);
  const bottom = Math.max(one.top + one.height, other.top + other.height);
  return { left, top, width: right - left, height: bottom - top };
}

/** The intersection of two rectangles; null when it is empty. */
export function intersection(one: Rect, other: Rect): Rect | null {
  const [left, top] = [Math.max(one.left, other.left), Math.max(one.top, other.top)];
  const width = Math.min(one.left + one.width, other.left + other.width) - left;
  const height = Math.min(one.top + one.height, other.top + other.height) - top;
  return width > 0 && height > 0 ? { left, top, width, height } : null;
}

/** The whole pixels of the photo that a rectangle touches; null when there are none. */
export function within(rect: Rect, photo: Size): Rect | null {
  const left = Math.max(0, Math.floor(rect.left));
  const top = Math.max(0, Math.floor(rect.top));
  const right = Math.min(photo.width, Math.ceil(rect.left + rect.width));
  const bottom = Math.min(photo.height, Math.ceil(rect.top + rect.height));
  return left < right && top < bottom ? { left, top, width: right - left, height: bottom - top } : null;
}
