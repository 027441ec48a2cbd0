/** Several fills of one hole, of which the user takes one. */

import {
  EngineError,
  type Fill,
  type FillOptions,
  type Hole,
  type OnProgress,
  type Patch,
  type Photo,
} from "../engine/engine";
import { say } from "../texts/texts";
import { type Filled, filled, fillsOf, lastFilled, refilled, type Work } from "./document";
import { liftMoved } from "./painting";
import { holeOf } from "./raster";
import { announce, change, complain, isReady, optionsOf, type State, waitFor } from "./state";
import { extentOf, within } from "./steps";

/** Tries at once, which bounds the memory they take. */
const MAX_TRIES = 3;
/** Photo round the hole that is shown, as a share of the hole's sides. */
const ROUND = 0.4;
const MIN_ROUND = 16;
/** Side from which the shown part is reduced. */
const SHOWN_SIDE = 720;

/** Tries to choose from. */
export interface Tries {
  tries: readonly Filled[];
  /** The part of the photo that is shown, without fills. */
  under: Patch;
  /** The fills below. */
  earlier: readonly Fill[];
  /** The work with the one that is taken. */
  taken(now: Work, chosen: Filled): Work;
}

/** The hole that is filled: the marked pixels, or the last fill once more where nothing is marked. */
interface Task {
  mask: Filled["mask"];
  earlier: Fill[];
  seed: number;
  taken: Tries["taken"];
}

function taskOf(state: State): Task | null {
  const { mask } = state.work.value;
  const earlier = fillsOf(state.work.value);
  if (mask.length > 0) return { mask, earlier, seed: state.seed.value, taken: filled };
  const last = lastFilled(state.work.value);
  return last ? { mask: last.mask, earlier: earlier.slice(0, -1), seed: last.options.seed + 1, taken: refilled } : null;
}

/** Different ways to fill: the network alone, copied texture, another network, other seeds. */
export function waysOf(state: State, seed: number): FillOptions[] {
  const { site, weights } = state;
  const options = optionsOf(state, seed);
  const others = site.weights.filter(({ name, kind }) => name !== weights.value.name && kind !== "pyramid");
  const copied = [0, 1, 2].map((more): FillOptions => ({ ...options, texture: "patches", seed: seed + more }));
  const alone: FillOptions = { ...options, texture: "network" };
  const elsewhere = others.map(({ name }): FillOptions => ({ ...options, texture: "auto", weights: name }));
  const ways = site.copies ? [alone, copied[0], ...elsewhere, ...copied.slice(1)] : [options, ...elsewhere];
  return ways.slice(0, MAX_TRIES);
}

/** Whether there is something to try. */
export function canTry(state: State): boolean {
  const { value: work } = state.work;
  return isReady(state) && (work.mask.length > 0 || lastFilled(work) !== undefined);
}

/** Fill in several ways, and let the user choose. */
export async function tryWays(state: State): Promise<void> {
  liftMoved(state);
  const [photo, task] = [state.photo.value, taskOf(state)];
  if (!isReady(state) || photo === null) return;
  if (task === null || extentOf(task.mask, photo) === null) return complain(state, () => say("complete_no_hole"));
  const ways = waysOf(state, task.seed);
  if (ways.length === 1) return complain(state, () => say("complete_always_same"));
  await waitFor(
    state,
    "filling",
    async (signal, onProgress) => {
      const hole = await holeOf(task.mask, photo);
      if (hole.length === 0) throw new EngineError(() => say("complete_no_hole"));
      const under = await shownOf(state, photo, task);
      return { ...task, under, tries: await made(state, photo, task, hole, ways, onProgress, signal) };
    },
    (tries) => {
      state.tries.value = tries;
    },
  );
}

/** One fill after the other; one that fails is left out where another one succeeds. */
async function made(
  { engine }: State,
  photo: Photo,
  { mask, earlier }: Task,
  hole: Hole,
  ways: FillOptions[],
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<Filled[]> {
  const tries: Filled[] = [];
  let problem: unknown;
  for (const [number, options] of ways.entries()) {
    const onPart: OnProgress = ({ share, ...rest }) => {
      const isWorking = rest.doing === "working";
      onProgress({ ...rest, share: isWorking ? (number + (share ?? 0)) / ways.length : share });
    };
    onPart({ doing: "working", share: 0 });
    try {
      tries.push({ fill: await engine.fill(photo, earlier, hole, options, onPart, signal), mask, options });
    } catch (error) {
      problem = error;
    }
    if (!signal.aborted) continue;
    close(tries);
    throw signal.reason;
  }
  if (tries.length === 0) throw problem;
  return tries;
}

/** The hole with some of the photo round it. */
async function shownOf({ engine }: State, photo: Photo, { mask }: Task): Promise<Patch> {
  const { left, top, width, height } = extentOf(mask, photo) ?? { left: 0, top: 0, ...photo };
  const margin = Math.max(MIN_ROUND, ROUND * Math.max(width, height));
  const around = { left: left - margin, top: top - margin, width: width + 2 * margin, height: height + 2 * margin };
  const rect = within(around, photo) ?? { left: 0, top: 0, width: photo.width, height: photo.height };
  const reduction = Math.max(1, Math.floor(Math.max(rect.width, rect.height) / SHOWN_SIDE));
  return { rect, view: await engine.part(photo, rect, reduction) };
}

/** Draw a try with the photo round it. */
export function drawTry(canvas: HTMLCanvasElement, { under, earlier }: Tries, { fill }: Filled): void {
  const { rect, view } = under;
  canvas.width = view.width;
  canvas.height = view.height;
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.scale(view.width / rect.width, view.height / rect.height);
  context.translate(-rect.left, -rect.top);
  context.imageSmoothingQuality = "medium";
  for (const { rect: at, view: seen } of [under, ...[...earlier, fill].flatMap(({ patches }) => patches)]) {
    context.drawImage(seen, at.left, at.top, at.width, at.height);
  }
}

/** Take a try; the others are dropped. */
export function take(state: State, chosen: Filled): void {
  const tries = state.tries.value;
  if (tries === null) return;
  drop(state, chosen);
  change(state, tries.taken(state.work.value, chosen));
  announce(state, () => say("tries_taken"), ...chosen.fill.notes);
}

/** Take none. */
export function takeNone(state: State): void {
  if (state.tries.value === null) return;
  drop(state);
  announce(state, () => say("complete_cancelled"));
}

function drop({ tries }: State, but?: Filled): void {
  const before = tries.value;
  tries.value = null;
  before?.under.view.close();
  close(before?.tries.filter((one) => one !== but) ?? []);
}

function close(tries: readonly Filled[]): void {
  for (const { view } of tries.flatMap(({ fill }) => fill.patches)) view.close();
}
