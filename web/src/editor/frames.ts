/** Drawing of frames over the photo: of crops, and of margins to be added. */

import type { Margins, Rect } from "../engine/engine";
import { hasMargins, largerBy, rectsOf } from "../engine/margins";
import { type Context, PAINT, type Size } from "./steps";

/** Half the side of a handle, in CSS pixels. */
const HANDLE = 4;

/** The part that is cut off is dark. */
export function drawCrop(context: Context, { width, height }: Size, crop: Rect, scale: number): void {
  if (crop.width === width && crop.height === height) return;
  context.beginPath();
  context.rect(0, 0, width, height);
  context.rect(crop.left, crop.top, crop.width, crop.height);
  context.fillStyle = "rgb(0 0 0 / 0.6)";
  context.fill("evenodd");
  drawFrame(context, crop, scale);
}

/** Margins are in the colour of what is filled, because they are. */
export function drawMargins(context: Context, photo: Size, margins: Margins, scale: number): void {
  const [left, top] = [-margins.left, -margins.top];
  context.save();
  context.globalAlpha = 0.3;
  context.fillStyle = PAINT;
  for (const rect of rectsOf(margins, photo)) {
    context.fillRect(rect.left + left, rect.top + top, rect.width, rect.height);
  }
  context.restore();
  if (hasMargins(margins)) {
    context.beginPath();
    context.rect(0, 0, photo.width, photo.height);
    outline(context, scale);
  }
  const { width, height } = largerBy({ width: photo.width, height: photo.height }, margins);
  drawFrame(context, { left, top, width, height }, scale);
}

/** A frame with handles at its corners and sides. */
function drawFrame(context: Context, { left, top, width, height }: Rect, scale: number): void {
  const half = HANDLE / scale;
  context.beginPath();
  context.rect(left, top, width, height);
  for (const x of [0, 0.5, 1]) {
    for (const y of [0, 0.5, 1]) {
      if (x === 0.5 && y === 0.5) continue;
      context.rect(left + x * width - half, top + y * height - half, 2 * half, 2 * half);
    }
  }
  outline(context, scale);
}

/** Visible on every photo: light within dark. */
export function outline(context: Context, scale: number): void {
  context.strokeStyle = "rgb(0 0 0 / 0.65)";
  context.lineWidth = 3.5 / scale;
  context.stroke();
  context.strokeStyle = "#fff";
  context.lineWidth = 1.5 / scale;
  context.stroke();
}
