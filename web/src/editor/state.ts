/** The state of the editor as signals, without rendering or elements. */

import { batch, computed, signal } from "@preact/signals";
import { unlessAborted } from "../engine/aborting";
import {
  type Engine,
  EngineError,
  type FillOptions,
  type Line,
  LostEngineError,
  type Margins,
  type OnProgress,
  type Photo,
  type Progress,
  type Texture,
} from "../engine/engine";
import { extendedTo, NO_MARGINS, writtenMargins } from "../engine/margins";
import type { Offer } from "../keeping/restoring";
import { stored } from "../preferences";
import type { Site, WeightsChoice } from "../site";
import { say } from "../texts/texts";
import { createAlbum } from "./album_entries";
import {
  commit,
  fillsIn,
  type History,
  isChanged,
  jump,
  marginsOf,
  redo,
  UNTOUCHED,
  undo,
  type Work,
} from "./document";
import type { Taken } from "./like_colour";
import type { Live, Touch } from "./live";
import { createStamp, resetStamp, type StampName } from "./stamp";
import type { Tries } from "./trying";
import { clamped, type Frame, fitted, fittedAround, type Point, type Viewport } from "./viewport";

export type ToolName =
  | "brush"
  | "eraser"
  | "rectangle"
  | "lasso"
  | "outline"
  | "colour"
  | "line"
  | "hand"
  | "crop"
  | "extend"
  | StampName;

/** The pending work. */
export interface Busy {
  what: "opening" | "finding" | "filling" | "extending" | "saving" | "masking" | "cloning";
  progress: Progress;
  /** Ends it. */
  controller: AbortController;
}

/** A message, rendered again when the language changes. */
export interface Message {
  tone: "note" | "error";
  text: Line;
  /** A remedy. */
  action?: { name: Line; run(): void };
}

/** Another state of the photo that is shown instead of the current one. */
export type Comparison = "none" | "original" | "slider";

/** Percent at which the shades of an even surface are alike. */
const TOLERANCE = 12;

/** Nothing is announced. */
const SILENCE = (): string => "";

export function createState(site: Site, engine: Engine) {
  const opened = signal<Photo | null>(null);
  const history = signal<History>(UNTOUCHED);
  const written = computed(() => writtenMargins(marginsOf(history.value.now)));
  const photo = computed(() => {
    void written.value; // equal margins leave the photo the same object
    return opened.value && extendedTo(opened.value, marginsOf(history.peek().now));
  });
  const tool = signal<ToolName>("brush");
  const margins = signal<Margins>(NO_MARGINS);
  const frame = signal<Frame>({ width: 0, height: 0, insets: { top: 0, right: 0, bottom: 0, left: 0 } });
  /** The viewport; null for the whole photo. */
  const look = signal<Viewport | null>(null);
  /** The name that the user chose last; empty for the default. */
  const chosenWeights = stored<string>("onar.weights", "");
  return {
    site,
    engine,
    /** The photo as it was opened. */
    opened,
    /** The photo with its margins. */
    photo,
    history,
    work: computed<Work>(() => history.value.now),
    /** The work as it was last saved. */
    saved: signal<Work>(UNTOUCHED.now),
    busy: signal<Busy | null>(null),
    message: signal<Message | null>(null),
    /** Announced by screen readers only. */
    spoken: signal<() => string>(SILENCE),
    /** The file of the photo that is being opened, for a preview. */
    preview: signal<File | null>(null),
    /** Aborts the loading of an example. */
    example: signal<AbortController | null>(null),
    /** Unsaved work of other visits. */
    offers: signal<readonly Offer[]>([]),
    /** Fills to choose from. */
    tries: signal<Tries | null>(null),
    /** The photo that waits for the answer about unsaved work. */
    waiting: signal<File | null>(null),
    /** The photos of the strip. */
    album: createAlbum(),

    /** Width / height of crops; null for any, 0 for that of the photo. */
    ratio: signal<number | null>(null),
    /** Of the clone and the heal brush. */
    stamp: createStamp(),

    tool,
    /** Margins by which the photo is to be extended. */
    margins,
    /** Diameter of the brush in pixels of the photo. */
    size: signal(40),
    live: signal<Live | null>(null),
    /** Largest difference of colours that are alike, in percent. */
    tolerance: signal(TOLERANCE),
    /** The patch of like colour that was taken last, for another tolerance. */
    taken: signal<Taken | null>(null),
    /** Where brush or eraser was lifted last, the start of straight lines. */
    lifted: signal<Touch | null>(null),
    /** Position of the brush, in pixels of the photo; null outside of it. */
    cursor: signal<Point | null>(null),
    /** Position of the finger that paints, in pixels of the page. */
    finger: signal<Point | null>(null),
    /** Whether the space bar is down: the pointer then pans. */
    spaceHeld: signal(false),

    frame,
    look,
    viewport: computed<Viewport>(() => {
      const size = photo.value ?? { width: 1, height: 1 };
      if (look.value !== null) return clamped(look.value, size, frame.value);
      return tool.value === "extend" ? fittedAround(size, margins.value, frame.value) : fitted(size, frame.value);
    }),
    comparison: signal<Comparison>("none"),
    /** Position of the comparison slider, as a share of the photo's width. */
    split: signal(0.5),

    /** Names of `Site.finds`; text is often meant to stay. */
    wanted: signal<readonly string[]>(site.finds.map(({ name }) => name).filter((name) => name !== "text")),
    /** Of finding, from 0 to 1. */
    sensitivity: signal(0.5),

    texture: signal<Texture>("auto"),
    /** Seed of the next fill. */
    seed: signal(0),
    feather: signal(0),
    chosenWeights,
    /** The weights that fill: the default where the chosen ones are gone. */
    weights: computed<WeightsChoice>(
      () =>
        site.weights.find(({ name }) => name === chosenWeights.value) ??
        site.weights.find((choice) => choice.default) ??
        site.weights[0],
    ),
    fillsOnLift: stored<boolean>("onar.fills_on_lift", false),
    format: signal("same"),
    panel: signal(false),
    /** Whether the menu of further tools is open, on narrow screens. */
    shapes: signal(false),
    /** Whether the menu of finding is open. */
    finder: signal(false),
    help: signal(false),
  };
}

export type State = ReturnType<typeof createState>;

/** Whether there is a photo and no pending work. */
export function isReady(state: State): boolean {
  return state.photo.value !== null && state.busy.value === null;
}

/** Whether something is filled, which the button that began it cancels. */
export function isFilling({ busy }: State): boolean {
  return busy.value?.what === "filling" || busy.value?.what === "extending";
}

/** Work during which painting goes on. */
const WHILE_PAINTING = new Set<Busy["what"]>(["filling", "finding", "cloning"]);

/** Whether marks can be painted: also while other ones are filled, or damage is found. */
export function isPaintable(state: State): boolean {
  const what = state.busy.value?.what;
  if (state.album.batch.value !== null) return false; // the photo is about to be left
  return isReady(state) || (state.photo.value !== null && what !== undefined && WHILE_PAINTING.has(what));
}

/** Whether there is unsaved work. */
export function isUnsaved({ work, saved }: State): boolean {
  return work.value !== saved.value && (isChanged(work.value) || work.value.mask.length > 0);
}

/** Whether all was saved. */
export function isSaved({ work, saved }: State): boolean {
  return work.value === saved.value && saved.value !== UNTOUCHED.now;
}

export function optionsOf(state: State, seed: number): FillOptions {
  return { texture: state.texture.value, feather: state.feather.value, weights: state.weights.value.name, seed };
}

/** Change the work; undo restores it. */
export function change(state: State, now: Work): void {
  state.spoken.value = SILENCE; // the last announcement no longer holds
  goTo(state, commit(state.history.value, now));
  clearFailure(state);
}

/** Show another history of the photo; positions on it no longer hold where its margins change. */
function goTo(state: State, history: History): void {
  const before = state.photo.value;
  batch(() => {
    state.history.value = history;
    if (state.photo.value !== before) forgetPlaces(state);
  });
}

/** Failures of the photo that is shown no longer hold. */
export function clearFailure({ album }: State): void {
  if (album.shown.value !== null) album.shown.value.failure.value = null;
}

/** Undo; a step that is still being painted is dropped instead, and of a line its last corner. */
export function undoChange(state: State): void {
  const live = state.live.value;
  if (live !== null) {
    live.corners?.remove();
    if (live.corners?.count()) state.live.value = { ...live };
    else abandon(state);
    return;
  }
  if (!isReady(state)) return;
  goTo(state, undo(state.history.value));
  const steps = state.history.value.past.length;
  state.spoken.value = () => say("complete_undone", { steps });
}

export function redoChange(state: State): void {
  if (!isReady(state) || state.live.value !== null) return;
  goTo(state, redo(state.history.value));
  const steps = state.history.value.future.length;
  state.spoken.value = () => say("complete_redone", { steps });
}

/** Go to another state of the history, by its number from the oldest on. */
export function jumpTo(state: State, number: number): void {
  if (isReady(state) && state.live.value === null) goTo(state, jump(state.history.value, number));
}

/** Cancel the current step. */
export function abandon(state: State): void {
  state.live.value = null;
  state.spoken.value = SILENCE;
}

/** Start with a new photo. */
export function takeUp(state: State, photo: Photo): void {
  replace(state, photo);
  state.size.value = Math.max(8, Math.round(Math.max(photo.width, photo.height) / 20));
}

/** Close the photo; all work on it is lost. */
export function putAway(state: State): void {
  batch(() => {
    replace(state, null);
    state.message.value = null;
    for (const menu of [state.panel, state.shapes, state.finder]) menu.value = false;
  });
}

function replace(state: State, photo: Photo | null): void {
  const shown = [...fillsIn(state.history.value)].flatMap(({ patches }) => patches);
  const before = state.opened.value === null ? shown : [...shown, state.opened.value];
  batch(() => {
    state.opened.value = photo;
    state.history.value = UNTOUCHED;
    state.saved.value = UNTOUCHED.now;
    forgetPlaces(state);
    abandon(state);
    state.tries.value = null;
    state.margins.value = NO_MARGINS;
    state.comparison.value = "none";
    state.format.value = "same";
  });
  for (const { view } of before) view.close(); // they are large: do not wait for garbage collection
}

/** Forget what is at a place of the photo. */
function forgetPlaces(state: State): void {
  state.look.value = null;
  state.cursor.value = null;
  state.lifted.value = null;
  state.taken.value = null;
  resetStamp(state.stamp);
}

export function announce(state: State, ...lines: Line[]): void {
  state.spoken.value = SILENCE;
  state.message.value = { tone: "note", text: () => lines.map((line) => line()).join(" ") };
}

export function complain(state: State, text: Line): void {
  state.spoken.value = SILENCE;
  state.message.value = { tone: "error", text };
}

/** How work ended; "lost" where the engine cannot be reached. */
export type Outcome = "done" | "failed" | "cancelled" | "lost";

/**
 * Run work that blocks the editor, and apply its result before anything else can happen.
 *
 * Errors are shown as one line; `keep` is called only on success. After cancelling, the editor is free at once: what
 * the work still returns is dropped.
 */
export async function waitFor<T>(
  state: State,
  what: Busy["what"],
  work: (signal: AbortSignal, onProgress: OnProgress) => Promise<T>,
  keep: (result: T) => void,
): Promise<Outcome> {
  const controller = new AbortController();
  const onProgress = (progress: Progress): void => {
    if (state.busy.value?.controller === controller) state.busy.value = { what, progress, controller };
  };
  batch(() => {
    state.busy.value = { what, progress: { doing: "working", share: null }, controller };
    state.message.value = null;
    state.spoken.value = SILENCE;
  });
  try {
    const result = await unlessAborted(work(controller.signal, onProgress), controller.signal);
    batch(() => {
      state.busy.value = null;
      keep(result);
    });
    return "done";
  } catch (error) {
    state.busy.value = null;
    if (controller.signal.aborted) announce(state, () => say("complete_cancelled"));
    else complain(state, lineOf(error));
    if (controller.signal.aborted) return "cancelled";
    return error instanceof LostEngineError ? "lost" : "failed";
  }
}

/** The message of an error; unexpected ones are logged to the console. */
export function lineOf(error: unknown): Line {
  if (error instanceof EngineError) return error.line;
  console.error("Onar:", error);
  return () => say("browser_failed");
}

/** Cancel the pending work. */
export function cancel(state: State): void {
  state.busy.value?.controller.abort();
}
