/** Rendering: the photo with its fills, the mask, and painting aids. */

import { effect } from "@preact/signals";
import type { Photo } from "../engine/engine";
import { innerOf } from "../engine/margins";
import shared from "../shared.json";
import { type Closeup, followCloseup, seenOf } from "./closeup";
import { cropSeen } from "./cropping";
import { fillsOf } from "./document";
import { drawCrop, drawMargins, outline } from "./frames";
import { type Layer, pixelRatio, Stage } from "./layers";
import { marginsSeen } from "./margins";
import { isStamp, sourceFor } from "./stamp";
import { drawStamps } from "./stamp_preview";
import { isPaintable, type State, type ToolName } from "./state";
import { type Context, drawStep, type Size, type Step } from "./steps";
import type { Point } from "./viewport";

/** Opacity of the mask over the photo. */
const MASK_OPACITY = "0.6";
/** Zoom from which pixels are drawn as squares. */
const SQUARES = 2;
/** Maximum side of the copy that large photos are drawn from until they are zoomed. */
const OVERVIEW_SIDE = shared.view.VIEW_SIZE;
/** Side in CSS pixels of the chequerboard's squares. */
const CHEQUER = 8;

let chequered: OffscreenCanvas | null = null;

/**
 * Render the state into an element, now and whenever it changes.
 *
 * A growing stroke is extended from its last point; everything else is redrawn, at most once per frame.
 *
 * @returns a function that stops it
 */
export function show(state: State, container: HTMLDivElement): () => void {
  const stage = new Stage(container);
  const live: Drawn = { step: null, points: 0, onlyTail: false };
  const copies: Copies = { overview: null, closeup: null };
  const photo = stage.add((context) => drawPhoto(context, state, copies));
  const mask = stage.add((context) => drawMask(context, state, live));
  const aids = stage.add((context) => drawAids(context, state));
  mask.canvas.style.opacity = MASK_OPACITY;
  const ends = [
    effect(() => {
      const { width, height } = state.frame.value;
      if (width > 0 && height > 0) stage.resize({ width, height });
    }),
    effect(() => stage.move(state.viewport.value)),
    effect(() =>
      followPhoto(state, (made) => {
        copies.overview?.close();
        copies.overview = made;
        photo.redraw();
      }),
    ),
    followCloseup(state, pixelRatio, (closeup) => {
      copies.closeup = closeup;
      photo.redraw();
    }),
    redrawn(photo, () => [state.photo.value, state.work.value.fills, state.comparison.value, state.split.value]),
    redrawn(mask, () => [state.photo.value, state.work.value.mask, state.comparison.value]),
    redrawn(aids, () => [state.cursor.value, state.size.value, state.tool.value, state.split.value]),
    redrawn(aids, () => [state.comparison.value, state.busy.value, state.margins.value, state.photo.value]),
    redrawn(aids, () => [drawsElsewhere(state) && state.live.value, state.stamp.waiting.value, state.work.value.crop]),
    redrawn(aids, () => [state.stamp.source.value, state.stamp.offset.value, state.stamp.choosing.value]),
    effect(() => followLive(state, mask, live)),
  ];
  return () => {
    for (const end of ends) end();
    stage.destroy();
  };
}

function redrawn(layer: Layer, depends: () => unknown[]): () => void {
  return effect(() => {
    depends();
    layer.redraw();
  });
}

/** Tools whose size is shown. */
const SIZED = new Set<ToolName>(["brush", "eraser", "line", "clone", "heal"]);

/** How much of the current step is on the canvas. */
interface Drawn {
  step: Step | null;
  /** Of a stroke. */
  points: number;
  /** Whether only the rest has to be drawn. */
  onlyTail: boolean;
}

/** Whether the current step is no mark: it is drawn as what it copies, or as a frame. */
function drawsElsewhere({ live }: State): boolean {
  const { copying, crop, margins } = live.value ?? {};
  return copying !== undefined || crop !== undefined || margins !== undefined;
}

function followLive(state: State, mask: Layer, drawn: Drawn): void {
  const { step = null, corners } = state.live.value ?? {};
  if (drawsElsewhere(state)) return;
  if (step?.kind === "stroke" && step === drawn.step && corners === undefined) {
    drawn.onlyTail = true;
    mask.drawOver();
    drawn.onlyTail = false;
  } else mask.redraw();
  drawn.step = step;
  drawn.points = step?.kind === "stroke" ? step.points.length / 3 : 0;
}

/** How far erasing extends beyond its shape: painted edges fade over about one screen pixel. */
function fringe({ viewport }: State): number {
  return 1.5 / (viewport.value.scale * pixelRatio());
}

function drawMask(context: Context, state: State, drawn: Drawn): void {
  const { photo, comparison, work, live } = state;
  if (photo.value === null || comparison.value !== "none") return;
  clip(context, 0, photo.value);
  if (drawn.onlyTail && drawn.step !== null) {
    drawStep(context, drawn.step, photo.value, fringe(state), drawn.points);
    return;
  }
  for (const step of work.value.mask) drawStep(context, step, photo.value, fringe(state));
  if (live.value !== null && !drawsElsewhere(state)) drawStep(context, live.value.step, photo.value, fringe(state));
}

function clip(context: Context, left: number, { width, height }: Size): void {
  context.beginPath();
  context.rect(left, 0, width - left, height);
  context.clip();
}

/** Where it is drawn, in the photo. */
interface Copies {
  /** The whole of it, reduced, for small zooms. */
  overview: ImageBitmap | null;
  closeup: Closeup | null;
}

function drawPhoto(context: Context, state: State, { overview, closeup }: Copies): void {
  const { photo, comparison, split, viewport, work } = state;
  if (photo.value === null) return;
  const scale = viewport.value.scale * pixelRatio();
  context.imageSmoothingEnabled = scale < SQUARES;
  context.imageSmoothingQuality = "medium";
  drawChequers(context, photo.value, viewport.value.scale);
  const { left, top, width, height } = innerOf(photo.value);
  if (overview !== null && overview.width >= scale * width) {
    context.drawImage(overview, left, top, width, height);
  } else drawSeen(context, state, photo.value, closeup);
  if (comparison.value === "original") return;
  if (comparison.value === "slider") clip(context, split.value * photo.value.width, photo.value);
  for (const { patches } of fillsOf(work.value)) {
    for (const { rect, view } of patches) context.drawImage(view, rect.left, rect.top, rect.width, rect.height);
  }
}

/** The chequerboard under transparent photos: of constant size on the screen, aligned with the photo's corner. */
function drawChequers(context: Context, { width, height }: Size, scale: number): void {
  const pattern = context.createPattern(chequers(), "repeat");
  if (pattern === null) return;
  pattern.setTransform(new DOMMatrix().scale(1 / scale));
  context.fillStyle = pattern;
  context.fillRect(0, 0, width, height);
}

function chequers(): OffscreenCanvas {
  if (chequered !== null) return chequered;
  chequered = new OffscreenCanvas(2 * CHEQUER, 2 * CHEQUER);
  const context = chequered.getContext("2d") as OffscreenCanvasRenderingContext2D;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, 2 * CHEQUER, 2 * CHEQUER);
  context.fillStyle = "#ccc";
  context.fillRect(0, 0, CHEQUER, CHEQUER);
  context.fillRect(CHEQUER, CHEQUER, CHEQUER, CHEQUER);
  return chequered;
}

/** Draw only the visible part of a photo. */
function drawSeen(context: Context, { viewport, frame }: State, photo: Photo, closeup: Closeup | null): void {
  const { view } = photo;
  const inner = innerOf(photo);
  const seen = seenOf(photo, viewport.value, frame.value);
  if (seen === null) return;
  const [x, y] = [view.width / inner.width, view.height / inner.height]; // a view may have fewer pixels
  const source = [(seen.left - inner.left) * x, (seen.top - inner.top) * y, seen.width * x, seen.height * y] as const;
  const squares = !context.imageSmoothingEnabled;
  context.imageSmoothingEnabled = !squares || x < 1; // squares of a view are not pixels of the photo
  context.drawImage(view, ...source, seen.left, seen.top, seen.width, seen.height);
  context.imageSmoothingEnabled = !squares;
  if (closeup?.photo !== photo || closeup.view.width <= x * closeup.rect.width) return;
  const { left, top, width: wide, height: tall } = closeup.rect;
  context.clearRect(left, top, wide, tall); // translucent pixels must not be drawn twice
  context.drawImage(closeup.view, left, top, wide, tall);
}

/** Keep a reduced copy of a large photo. */
function followPhoto(state: State, keep: (overview: ImageBitmap | null) => void): void {
  const photo = state.opened.value;
  keep(null);
  if (photo === null || Math.max(photo.view.width, photo.view.height) <= OVERVIEW_SIDE) return;
  const share = OVERVIEW_SIDE / Math.max(photo.view.width, photo.view.height);
  const size = {
    resizeWidth: Math.round(photo.view.width * share),
    resizeHeight: Math.round(photo.view.height * share),
    resizeQuality: "high" as const,
  };
  createImageBitmap(photo.view, size).then(
    (overview) => {
      if (state.opened.peek() === photo) keep(overview);
      else overview.close();
    },
    () => {}, // no memory for a copy: the photo itself is drawn
  );
}

function drawAids(context: Context, state: State): void {
  const { photo, comparison, cursor, split, tool, size, viewport } = state;
  if (photo.value === null) return;
  const { scale } = viewport.value;
  if (comparison.value === "none") drawStamps(context, state, photo.value);
  drawCrop(context, photo.value, cropSeen(state), scale);
  if (tool.value === "extend") drawMargins(context, photo.value, marginsSeen(state), scale);
  context.beginPath();
  if (comparison.value === "slider") {
    context.moveTo(split.value * photo.value.width, 0);
    context.lineTo(split.value * photo.value.width, photo.value.height);
  } else if (comparison.value === "none" && isPaintable(state) && cursor.value !== null) {
    const { x, y } = cursor.value;
    if (SIZED.has(tool.value) && !state.stamp.choosing.value) context.arc(x, y, size.value / 2, 0, 2 * Math.PI);
    else if (tool.value !== "hand") cross(context, x, y, 9 / scale);
  }
  const source = sourceSeen(state);
  if (source !== null) cross(context, source.x, source.y, 9 / scale);
  outline(context, scale);
}

/** Where the brush copies from; without a pointer, what was chosen. */
function sourceSeen({ comparison, cursor, stamp, tool }: State): Point | null {
  if (!isStamp(tool.value) || comparison.value !== "none") return null;
  return cursor.value === null ? stamp.source.value : sourceFor(stamp, cursor.value);
}

function cross(context: Context, x: number, y: number, arm: number): void {
  context.moveTo(x - arm, y);
  context.lineTo(x + arm, y);
  context.moveTo(x, y - arm);
  context.lineTo(x, y + arm);
}
