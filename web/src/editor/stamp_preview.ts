/** Strokes of the clone and the heal brush before the engine has copied them: the view's own pixels. */

import type { Photo } from "../engine/engine";
import { innerOf } from "../engine/margins";
import { fillsOf } from "./document";
import type { Stamp } from "./stamp";
import type { State } from "./state";
import { type Context, drawStep, extentOf } from "./steps";

/** Canvases of the size of the screen's, kept from frame to frame. */
const layers: OffscreenCanvas[] = [];

/** Draw the strokes that are not copied yet, as copies. */
export function drawStamps(context: Context, state: State, photo: Photo): void {
  const { step, copying } = state.live.value ?? {};
  const live: Stamp[] =
    step?.kind === "stroke" && copying ? [{ step, copying, softness: state.stamp.softness.value }] : [];
  for (const stamp of [...state.stamp.waiting.value, ...live]) drawStamp(context, state, photo, stamp);
}

function drawStamp(context: Context, { work }: State, photo: Photo, { step, copying, softness }: Stamp): void {
  const rect = extentOf([step], photo);
  if (rect === null) return;
  const [copy, shape] = [cleared(0, context), cleared(1, context)];
  const { x, y } = copying.offset;
  copy.save();
  copy.beginPath();
  copy.rect(rect.left, rect.top, rect.width, rect.height);
  copy.clip();
  copy.translate(-x, -y);
  const inner = innerOf(photo);
  copy.drawImage(photo.view, inner.left, inner.top, inner.width, inner.height);
  for (const { patches } of fillsOf(work.value)) {
    for (const { rect: at, view } of patches) copy.drawImage(view, at.left, at.top, at.width, at.height);
  }
  const [, , radius] = step.points;
  const fade = (radius * softness) / 100;
  shape.filter = `blur(${(fade / 3) * shape.getTransform().a}px)`; // where browsers know it
  const narrow = step.points.map((value, at) => (at % 3 === 2 ? Math.max(0.5, value - fade / 2) : value));
  drawStep(shape, { ...step, points: narrow }, photo);
  copy.restore();
  copy.resetTransform();
  copy.globalCompositeOperation = "destination-in";
  copy.drawImage(shape.canvas, 0, 0);
  context.save();
  context.resetTransform();
  context.drawImage(copy.canvas, 0, 0);
  context.restore();
}

/** A transparent canvas of the size of another one, with its transformation. */
function cleared(number: number, context: Context): OffscreenCanvasRenderingContext2D {
  layers[number] ??= new OffscreenCanvas(1, 1);
  const layer = layers[number];
  layer.width = context.canvas.width; // which clears it
  layer.height = context.canvas.height;
  const drawing = layer.getContext("2d") as OffscreenCanvasRenderingContext2D;
  drawing.setTransform(context.getTransform());
  return drawing;
}
