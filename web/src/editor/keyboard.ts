/** Keyboard shortcuts, which the help lists, and painting without a pointer. */

import { letterKeys } from "../preferences";
import type { TextKey } from "../texts/english";
import { say } from "../texts/texts";
import { showNext } from "./album";
import { toggleFinder } from "./finding";
import { setTolerance } from "./like_colour";
import { follow, holdOriginal, move, stepSize, toggleSlider, zoom, zoomToFit, zoomToPixels } from "./looking";
import { pasteMask } from "./mask_actions";
import {
  addCorner,
  begin,
  beginLine,
  chooseTool,
  extend,
  lift,
  liftAndCopy,
  liftAndFill,
  liftAndFillAgain,
  liftAndSave,
} from "./painting";
import { isStamp } from "./stamp";
import { setSource } from "./stamping";
import { abandon, cancel, redoChange, type State, type ToolName, undoChange } from "./state";
import { tryWays } from "./trying";
import { middle, type Point, toPhoto } from "./viewport";

/** A key, with modifiers before it: "Ctrl+z". */
type Key = string;

export interface Shortcut {
  keys: Key[];
  text: TextKey;
  run(state: State): void;
  /** Whether it is a single character. */
  letter: boolean;
}

const choose =
  (tool: ToolName) =>
  (state: State): void => {
    chooseTool(state, tool);
    if (state.tool.value === tool) state.spoken.value = () => say(`complete_${tool}`);
  };

/** Shortcuts, except in input fields. */
export const SHORTCUTS: Shortcut[] = [
  { keys: ["b"], text: "complete_brush", run: choose("brush"), letter: true },
  { keys: ["e"], text: "complete_eraser", run: choose("eraser"), letter: true },
  { keys: ["r"], text: "complete_rectangle", run: choose("rectangle"), letter: true },
  { keys: ["l"], text: "complete_lasso", run: choose("lasso"), letter: true },
  { keys: ["o"], text: "complete_outline", run: choose("outline"), letter: true },
  { keys: ["w"], text: "complete_colour", run: choose("colour"), letter: true },
  { keys: ["i"], text: "complete_line", run: choose("line"), letter: true },
  { keys: ["k"], text: "complete_clone", run: choose("clone"), letter: true },
  { keys: ["j"], text: "complete_heal", run: choose("heal"), letter: true },
  { keys: ["x"], text: "stamp_set_key", run: setSourceHere, letter: true },
  { keys: ["q"], text: "complete_crop", run: choose("crop"), letter: true },
  { keys: ["m"], text: "complete_extend", run: choose("extend"), letter: true },
  { keys: ["h"], text: "complete_hand", run: choose("hand"), letter: true },
  { keys: ["["], text: "complete_smaller_brush", run: (state) => step(state, -1), letter: true },
  { keys: ["]"], text: "complete_larger_brush", run: (state) => step(state, 1), letter: true },
  { keys: ["d"], text: "find_title", run: toggleFinder, letter: true },
  { keys: ["Enter"], text: "complete_fill_key", run: endLineOrFill, letter: false },
  { keys: ["f"], text: "complete_again", run: liftAndFillAgain, letter: true },
  { keys: ["t"], text: "tries", run: tryWays, letter: true },
  { keys: ["Ctrl+z"], text: "complete_undo", run: undoChange, letter: false },
  { keys: ["Ctrl+Shift+z", "Ctrl+y"], text: "complete_redo", run: redoChange, letter: false },
  { keys: ["c"], text: "complete_original_key", run: (state) => holdOriginal(state, true), letter: true },
  { keys: ["s"], text: "complete_slider", run: toggleSlider, letter: true },
  { keys: ["+", "="], text: "complete_zoom_in", run: (state) => zoom(state, 1.25), letter: true },
  { keys: ["-"], text: "complete_zoom_out", run: (state) => zoom(state, 1 / 1.25), letter: true },
  { keys: ["0"], text: "complete_zoom_fit", run: zoomToFit, letter: true },
  { keys: ["1"], text: "complete_zoom_pixels", run: zoomToPixels, letter: true },
  { keys: ["Ctrl+s"], text: "complete_download", run: liftAndSave, letter: false },
  { keys: ["Ctrl+c"], text: "complete_copy_label", run: liftAndCopy, letter: false },
  { keys: ["Ctrl+Shift+v"], text: "complete_paste_mask_label", run: pasteMask, letter: false },
  { keys: ["PageDown"], text: "strip_next", run: (state) => showNext(state, 1), letter: false },
  { keys: ["PageUp"], text: "strip_previous", run: (state) => showNext(state, -1), letter: false },
  { keys: ["Escape"], text: "complete_escape", run: stepBack, letter: false },
  { keys: ["?"], text: "complete_help", run: openHelp, letter: true },
];

/** Change the size of the brush, or the tolerance where that is what the tool has. */
function step(state: State, direction: 1 | -1): void {
  if (state.tool.value === "colour") void setTolerance(state, state.tolerance.value + 2 * direction);
  else stepSize(state, direction);
}

/** Take the source of clone and heal from where the cursor is. */
function setSourceHere(state: State): void {
  if (isStamp(state.tool.value)) setSource(state, cursorOf(state));
}

function endLineOrFill(state: State): void {
  if (state.live.value?.corners) lift(state);
  else void liftAndFill(state);
}

function openHelp(state: State): void {
  state.help.value = true;
}

function stepBack(state: State): void {
  if (state.live.value?.corners) lift(state);
  else if (state.live.value !== null) abandon(state);
  else if (state.busy.value !== null) cancel(state);
  else if (state.stamp.choosing.value) state.stamp.choosing.value = false;
  else if (state.shapes.value) state.shapes.value = false;
  else if (state.comparison.value !== "none") state.comparison.value = "none";
  else if (state.finder.value) state.finder.value = false;
  else state.panel.value = false;
}

/** The name of a key event among the shortcuts. */
function keyOf(event: KeyboardEvent): Key {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const control = event.ctrlKey || event.metaKey;
  // AltGr counts as Ctrl and Alt; the typed character is enough.
  if (event.altKey || !control) return key;
  return `Ctrl+${event.shiftKey ? "Shift+" : ""}${key}`;
}

/**
 * Handle keys.
 *
 * @returns a function that stops it
 */
export function listenToKeys(state: State): () => void {
  const onKey = (event: KeyboardEvent): void => {
    if (isElsewhere(state, event)) return;
    if (event.key === " ") state.spaceHeld.value = true;
    const key = keyOf(event);
    if (key === "Ctrl+c" && document.getSelection()?.isCollapsed === false) return; // text is copied
    const shortcut = SHORTCUTS.find(({ keys, letter }) => keys.includes(key) && (letterKeys.value || !letter));
    if (shortcut === undefined || event.defaultPrevented) return;
    event.preventDefault();
    shortcut.run(state);
  };
  const onRelease = (event: KeyboardEvent): void => {
    if (event.key.toLowerCase() === "c") holdOriginal(state, false);
    if (event.key === " ") state.spaceHeld.value = false;
  };
  const releaseAll = (): void => {
    holdOriginal(state, false);
    state.spaceHeld.value = false;
  };
  window.addEventListener("keydown", onKey);
  window.addEventListener("keyup", onRelease);
  window.addEventListener("blur", releaseAll);
  return () => {
    window.removeEventListener("keydown", onKey);
    window.removeEventListener("keyup", onRelease);
    window.removeEventListener("blur", releaseAll);
    releaseAll(); // another view hides the keyup event
  };
}

/** Whether the focused element or a dialog handles a key. */
function isElsewhere(state: State, event: KeyboardEvent): boolean {
  if (!(event.target instanceof Element) || document.querySelector("dialog[open]") !== null) return true;
  const isForAll = event.key === "?" || (event.key === "Escape" && state.busy.value !== null);
  if (state.photo.value === null && !isForAll) return true;
  const types = event.target.matches("select, textarea, input:not([type=range], [type=checkbox])");
  const presses = event.key === "Enter" && event.target.matches("button, a, summary, label");
  return types || presses;
}

const DIRECTIONS: Record<string, Point> = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};
/** Step of the arrow keys, in CSS pixels. */
const STRIDE = 8;
const LONG_STRIDE = 48;

/** Keys while the canvas has the focus: arrows move the cursor, or pan with the hand tool; space paints. */
export function paintByKey(state: State, event: KeyboardEvent): void {
  if (state.photo.value === null || event.ctrlKey || event.metaKey || event.altKey) return;
  const direction = DIRECTIONS[event.key];
  if (direction !== undefined) stride(state, direction, event.shiftKey ? LONG_STRIDE : STRIDE);
  else if (event.key === " ") putDownOrLift(state, event);
  else return;
  event.preventDefault();
}

function stride(state: State, { x, y }: Point, length: number): void {
  const { scale } = state.viewport.value;
  if (state.comparison.value === "slider") state.split.value += (x * length) / 1000;
  else if (state.tool.value === "hand") move(state, { x: -x * length, y: -y * length });
  else {
    const pixels = Math.max(1, Math.round(length / scale));
    const from = cursorOf(state);
    const to = inside(state, { x: from.x + x * pixels, y: from.y + y * pixels });
    state.cursor.value = to;
    follow(state, to);
    extend(state, [{ ...to, pressure: 1 }]);
  }
}

/** The cursor's position: the last one, or the centre of the view. */
function cursorOf(state: State): Point {
  const { x, y } = state.cursor.value ?? toPhoto(state.viewport.value, middle(state.frame.value));
  return inside(state, { x: Math.round(x), y: Math.round(y) });
}

function inside({ photo }: State, { x, y }: Point): Point {
  const { width, height } = photo.value ?? { width: 1, height: 1 };
  return { x: Math.min(width, Math.max(0, x)), y: Math.min(height, Math.max(0, y)) };
}

function putDownOrLift(state: State, { repeat, shiftKey }: KeyboardEvent): void {
  if (repeat) return;
  const cursor = cursorOf(state);
  if (state.live.value !== null) {
    if (state.live.value.corners) addCorner(state, 0);
    else lift(state);
    state.spoken.value = () => say("complete_lifted", { x: cursor.x, y: cursor.y });
    return;
  }
  state.cursor.value = cursor;
  (shiftKey ? beginLine : begin)(state, { ...cursor, pressure: 1 });
  if (state.live.value !== null) state.spoken.value = () => say("complete_put_down", { x: cursor.x, y: cursor.y });
}
