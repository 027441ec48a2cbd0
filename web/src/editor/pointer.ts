/** Pointer input on the canvas: mouse, pen and touch. */

import type { Touch } from "./live";
import { move, slide, stepSize, zoom } from "./looking";
import { addCorner, aim, begin, beginLine, extend, lift } from "./painting";
import { isStamp } from "./stamp";
import { setSource } from "./stamping";
import { abandon, type State } from "./state";
import { type Point, toPhoto } from "./viewport";

const ERASING_BUTTONS = 2 | 32; // the right button, and the eraser end of a pen
const MIDDLE_BUTTON = 4;
const OUR_BUTTONS = 1 | ERASING_BUTTONS | MIDDLE_BUTTON; // others navigate the browser's history
/** Zoom factor per pixel of the wheel; a notch is 100 pixels. */
const ZOOM_OF_PIXEL = 1.0018;

/** How near to a corner, in CSS pixels, the second click of a double click is. */
const NEAR = 6;
const NEAR_FINGER = 20;

/** The current gesture. */
type Doing = "nothing" | "painting" | "cornering" | "beginning" | "taking" | "moving" | "sliding" | "pinching";

/** Gestures that draw. */
const DRAWING = new Set<Doing>(["painting", "cornering", "beginning"]);

/**
 * Handle pointers on an element.
 *
 * One pointer uses the tool; two fingers pan and zoom, and cancel the step of the first one.
 *
 * @returns a function that stops it
 */
export function listen(state: State, element: HTMLElement): () => void {
  const down = new Map<number, Point>();
  let doing: Doing = "nothing";
  /** Takes the colour where the pointer was put down: once it is known not to be the first of two fingers. */
  let take = (): void => {};

  /** Under a finger, which hides what it paints. */
  const showLoupe = ({ pointerType }: PointerEvent, at: Point): void => {
    state.finger.value = pointerType === "touch" && DRAWING.has(doing) ? at : null;
  };

  const onDown = (event: PointerEvent): void => {
    element.setPointerCapture(event.pointerId);
    down.set(event.pointerId, pointOf(event, element));
    if (down.size === 2) {
      if (doing !== "cornering") abandon(state);
      doing = "pinching";
    } else if (down.size === 1) {
      state.shapes.value = false;
      doing = start(state, event, element);
      take = taking(state, event, element);
    }
    showLoupe(event, pointOf(event, element));
  };
  const onMove = (event: PointerEvent): void => {
    const at = pointOf(event, element);
    state.cursor.value = event.pointerType === "touch" && !down.has(event.pointerId) ? null : toPhoto(look(state), at);
    showLoupe(event, at);
    const isAiming = doing === "cornering" || doing === "beginning" || down.size === 0;
    if (isAiming) aim(state, toPhoto(look(state), at), event.shiftKey);
    const before = down.get(event.pointerId);
    if (before === undefined) return;
    if (doing === "pinching") pinch(state, down, event.pointerId, at);
    down.set(event.pointerId, at);
    if (doing === "painting") extend(state, touchesOf(state, event, element));
    if (doing === "moving") move(state, { x: at.x - before.x, y: at.y - before.y });
    if (doing === "sliding") slideTo(state, at);
  };
  const onUp = (event: PointerEvent): void => {
    if (!down.delete(event.pointerId)) return;
    const isWhole = event.type === "pointerup";
    if (doing === "taking" && isWhole) take();
    if (doing === "painting") isWhole ? lift(state) : abandon(state);
    if ((doing === "cornering" || doing === "beginning") && isWhole) {
      addCorner(state, nearness(state, event), doing === "cornering"); // a drag that begins a line is its first segment
    }
    if (event.pointerType === "touch") state.cursor.value = null;
    state.finger.value = null;
    // The remaining finger of two must not start to paint.
    if (down.size === 0 || doing !== "pinching") doing = "nothing";
  };
  const onLeave = (): void => {
    if (down.size === 0) state.cursor.value = null;
  };
  const listeners: [string, (event: never) => void][] = [
    ["pointerdown", onDown],
    ["pointermove", onMove],
    ["pointerup", onUp],
    ["pointercancel", onUp],
    ["pointerleave", onLeave],
    ["wheel", (event: WheelEvent) => turn(state, event, element)],
    ["contextmenu", (event: Event) => event.preventDefault()],
  ];
  for (const [name, listener] of listeners) element.addEventListener(name, listener as EventListener);
  return () => {
    for (const [name, listener] of listeners) element.removeEventListener(name, listener as EventListener);
  };
}

function start(state: State, event: PointerEvent, element: HTMLElement): Doing {
  if (state.photo.value === null || (event.buttons & OUR_BUTTONS) === 0) return "nothing";
  if (event.buttons & MIDDLE_BUTTON || state.spaceHeld.value || state.tool.value === "hand") {
    abandon(state); // the space bar has put the tool down
    return "moving";
  }
  if (state.comparison.value === "slider") {
    slideTo(state, pointOf(event, element));
    return "sliding";
  }
  if (state.tool.value === "colour" || choosesSource(state, event)) return "taking";
  const [touch] = touchesOf(state, event, element).slice(-1);
  if (state.live.value?.corners) {
    aim(state, touch, event.shiftKey);
    return "cornering";
  }
  (event.shiftKey ? beginLine : begin)(state, touch, (event.buttons & ERASING_BUTTONS) !== 0);
  if (state.live.value?.corners) return "beginning";
  return state.live.value === null ? "nothing" : "painting";
}

function choosesSource({ stamp, tool }: State, { altKey }: PointerEvent): boolean {
  return isStamp(tool.value) && (altKey || stamp.choosing.value);
}

/** The end of a click with the tool for like colours, or of one that chooses a source. */
function taking(state: State, event: PointerEvent, element: HTMLElement): () => void {
  const [touch] = touchesOf(state, event, element).slice(-1);
  if (choosesSource(state, event)) return () => setSource(state, touch);
  const erases = (event.buttons & ERASING_BUTTONS) !== 0;
  return () => begin(state, touch, erases);
}

/** How near to a corner is on it, in pixels of the photo. */
function nearness({ viewport }: State, { pointerType }: PointerEvent): number {
  return (pointerType === "touch" ? NEAR_FINGER : NEAR) / viewport.value.scale;
}

function look({ viewport }: State) {
  return viewport.value;
}

function pointOf(event: MouseEvent, element: HTMLElement): Point {
  const { left, top } = element.getBoundingClientRect();
  return { x: event.clientX - left, y: event.clientY - top };
}

/** Coalesced positions of a pointer since the last event, in pixels of the photo. */
function touchesOf(state: State, event: PointerEvent, element: HTMLElement): Touch[] {
  const events = event.getCoalescedEvents?.() ?? [];
  return (events.length > 0 ? events : [event]).map((each) => ({
    ...toPhoto(state.viewport.value, pointOf(each, element)),
    pressure: each.pointerType === "pen" ? each.pressure : 1,
  }));
}

function slideTo(state: State, at: Point): void {
  const { photo, viewport } = state;
  if (photo.value !== null) slide(state, toPhoto(viewport.value, at).x / photo.value.width);
}

/** Pinch: the points under both fingers stay under them. */
function pinch(state: State, down: Map<number, Point>, moving: number, to: Point): void {
  const from = down.get(moving) as Point;
  const [, still] = [...down].find(([pointer]) => pointer !== moving) ?? [];
  if (still === undefined) return;
  const centre = (point: Point): Point => ({ x: (point.x + still.x) / 2, y: (point.y + still.y) / 2 });
  const [before, after] = [centre(from), centre(to)];
  move(state, { x: after.x - before.x, y: after.y - before.y });
  const apart = (point: Point): number => Math.max(1, Math.hypot(point.x - still.x, point.y - still.y));
  zoom(state, apart(to) / apart(from), after);
}

/** Alt changes the brush size, Shift pans, and the wheel alone or a pinch on a touchpad zooms. */
function turn(state: State, event: WheelEvent, element: HTMLElement): void {
  if (state.photo.value === null) return;
  event.preventDefault();
  const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 33 : 1;
  const [x, y] = [event.deltaX * unit, event.deltaY * unit];
  if (event.altKey) stepSize(state, x + y < 0 ? 1 : -1);
  else if (event.shiftKey) move(state, { x: -x, y: -y });
  else {
    // Browsers report a pinch as a wheel with Ctrl, in steps a tenth as large.
    const finer = event.ctrlKey && Math.abs(y) < 20 ? 8 : 1;
    zoom(state, ZOOM_OF_PIXEL ** (-y * finer), pointOf(event, element));
  }
}
