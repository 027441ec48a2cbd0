/** What is seen on the canvas: the photo with its fills, the mask, and what helps to paint. */

import { effect } from "@preact/signals";
import Konva from "konva/lib/Core";
import type { Photo } from "../engine/engine";
import type { State } from "./state";
import { type Context, drawStep, type Size, type Step, within } from "./steps";

/** The mask lies on the photo with this opacity, all of it alike. */
const MASK_OPACITY = "0.6";
/** From this scale on, pixels are seen as squares. */
const SQUARES = 4;
/** Large photos are drawn from a copy of this side, as long as nobody looks closer. */
const OVERVIEW_SIDE = 2560;
/** More pixels for every point of the screen are not seen, and cost time. */
const MOST_PIXEL_RATIO = 2;

/**
 * Draw the state into an element, now and whenever it changes.
 *
 * A stroke that grows is drawn on, from its last point; everything else is drawn anew, at most once for every picture
 * of the screen.
 *
 * @returns what ends it
 */
export function show(state: State, container: HTMLDivElement): () => void {
  const stage = new Konva.Stage({ container, width: 1, height: 1, listening: false });
  const live: Drawn = { step: null, points: 0, onlyTail: false };
  let overview: ImageBitmap | null = null;
  const photo = drawnBy((context) => drawPhoto(context, state, overview));
  const mask = drawnBy((context) => drawMask(context, state, live));
  const aids = drawnBy((context) => drawAids(context, state));
  for (const shape of [photo, mask, aids]) stage.add(new Konva.Layer({ listening: false }).add(shape));
  (mask.getLayer() as Konva.Layer).getNativeCanvasElement().style.opacity = MASK_OPACITY;
  const ends = [
    followScreen(stage),
    effect(() => {
      const { width, height } = state.frame.value;
      if (width > 0 && height > 0) stage.size({ width, height });
    }),
    effect(() => {
      const { scale, left, top } = state.viewport.value;
      stage.setAttrs({ scaleX: scale, scaleY: scale, x: left, y: top });
      stage.batchDraw();
    }),
    effect(() =>
      followPhoto(state, (made) => {
        overview?.close();
        overview = made;
        photo.getLayer()?.batchDraw();
      }),
    ),
    redrawn(photo, () => [state.photo.value, state.work.value.fills, state.comparison.value, state.split.value]),
    redrawn(mask, () => [state.photo.value, state.work.value.mask, state.comparison.value]),
    redrawn(aids, () => [state.cursor.value, state.size.value, state.tool.value, state.split.value]),
    redrawn(aids, () => [state.comparison.value, state.busy.value]),
    effect(() => followLive(state, mask, live)),
  ];
  return () => {
    for (const end of ends) end();
    stage.destroy();
  };
}

/** As many pixels as the screen has: others when somebody zooms the page, or takes it to another screen. */
function followScreen(stage: Konva.Stage): () => void {
  const ends = new AbortController();
  const follow = (): void => {
    const ratio = window.devicePixelRatio;
    Konva.pixelRatio = Math.min(ratio, MOST_PIXEL_RATIO);
    for (const layer of stage.getLayers()) layer.getCanvas().setPixelRatio(Konva.pixelRatio);
    stage.batchDraw();
    const screen = window.matchMedia(`(resolution: ${ratio}dppx)`);
    screen.addEventListener("change", follow, { once: true, signal: ends.signal });
  };
  follow();
  return () => ends.abort();
}

function drawnBy(draw: (context: Context) => void): Konva.Shape {
  return new Konva.Shape({ sceneFunc: ({ _context }) => draw(_context), listening: false });
}

function redrawn(shape: Konva.Shape, depends: () => unknown[]): () => void {
  return effect(() => {
    depends();
    shape.getLayer()?.batchDraw();
  });
}

/** How much of what is being painted is on the canvas. */
interface Drawn {
  step: Step | null;
  /** Of a stroke. */
  points: number;
  /** Whether only what is missing is to be drawn. */
  onlyTail: boolean;
}

function followLive(state: State, mask: Konva.Shape, drawn: Drawn): void {
  const step = state.live.value?.step ?? null;
  if (step?.kind === "stroke" && step === drawn.step) {
    drawn.onlyTail = true;
    mask.drawScene();
    drawn.onlyTail = false;
  } else mask.getLayer()?.batchDraw();
  drawn.step = step;
  drawn.points = step?.kind === "stroke" ? step.points.length / 3 : 0;
}

function drawMask(context: Context, { photo, comparison, work, live }: State, drawn: Drawn): void {
  if (photo.value === null || comparison.value !== "none") return;
  clip(context, 0, photo.value);
  if (drawn.onlyTail && drawn.step !== null) {
    drawStep(context, drawn.step, photo.value, drawn.points);
    return;
  }
  for (const step of work.value.mask) drawStep(context, step, photo.value);
  if (live.value !== null) drawStep(context, live.value.step, photo.value);
}

function clip(context: Context, left: number, { width, height }: Size): void {
  context.beginPath();
  context.rect(left, 0, width - left, height);
  context.clip();
}

function drawPhoto(context: Context, state: State, overview: ImageBitmap | null): void {
  const { photo, comparison, split, viewport, work } = state;
  if (photo.value === null) return;
  context.imageSmoothingEnabled = viewport.value.scale < SQUARES;
  context.imageSmoothingQuality = "medium";
  const needed = viewport.value.scale * photo.value.width * Konva.pixelRatio;
  if (overview !== null && overview.width >= needed) {
    context.drawImage(overview, 0, 0, photo.value.width, photo.value.height);
  } else drawSeen(context, state, photo.value);
  if (comparison.value === "original") return;
  if (comparison.value === "slider") clip(context, split.value * photo.value.width, photo.value);
  for (const { fill } of work.value.fills) {
    context.drawImage(fill.view, fill.rect.left, fill.rect.top, fill.rect.width, fill.rect.height);
  }
}

/** Only what of a photo is on the screen: the less the closer one looks. */
function drawSeen(context: Context, { viewport, frame }: State, { view, width, height }: Photo): void {
  const { scale, left, top } = viewport.value;
  const size = { width: frame.value.width / scale, height: frame.value.height / scale };
  const seen = within({ left: -left / scale, top: -top / scale, ...size }, { width, height });
  if (seen === null) return;
  const [x, y] = [view.width / width, view.height / height]; // a view may have fewer pixels
  const source = [seen.left * x, seen.top * y, seen.width * x, seen.height * y] as const;
  context.drawImage(view, ...source, seen.left, seen.top, seen.width, seen.height);
}

/** Keep a smaller copy of a large photo at hand. */
function followPhoto(state: State, keep: (overview: ImageBitmap | null) => void): void {
  const photo = state.photo.value;
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
      if (state.photo.peek() === photo) keep(overview);
      else overview.close();
    },
    () => {}, // no memory for a copy: the photo itself is drawn
  );
}

function drawAids(context: Context, state: State): void {
  const { photo, comparison, cursor, split, tool, busy, size, viewport } = state;
  if (photo.value === null) return;
  const { scale } = viewport.value;
  context.beginPath();
  if (comparison.value === "slider") {
    context.moveTo(split.value * photo.value.width, 0);
    context.lineTo(split.value * photo.value.width, photo.value.height);
  } else if (comparison.value === "none" && busy.value === null && cursor.value !== null) {
    const { x, y } = cursor.value;
    if (tool.value === "brush" || tool.value === "eraser") context.arc(x, y, size.value / 2, 0, 2 * Math.PI);
    else if (tool.value !== "hand") cross(context, x, y, 9 / scale);
  }
  outline(context, scale);
}

function cross(context: Context, x: number, y: number, arm: number): void {
  context.moveTo(x - arm, y);
  context.lineTo(x + arm, y);
  context.moveTo(x, y - arm);
  context.lineTo(x, y + arm);
}

/** Seen on every photo: light within dark. */
function outline(context: Context, scale: number): void {
  context.strokeStyle = "rgb(0 0 0 / 0.65)";
  context.lineWidth = 3.5 / scale;
  context.stroke();
  context.strokeStyle = "#fff";
  context.lineWidth = 1.5 / scale;
  context.stroke();
}
