/** The history of a photo, for undo and redo: immutable values without drawing. */

import type { Copying, Fill, FillOptions, Margins, Rect } from "../engine/engine";
import { NO_MARGINS } from "../engine/margins";
import type { Step } from "./steps";

/** A filled hole with its options, for filling it again. */
export interface Filled {
  fill: Fill;
  /** The mask that was filled. */
  mask: readonly Step[];
  options: FillOptions;
  /** Of a stroke that copies, which is not filled again. */
  copying?: Copying;
  /** Of the photo that was filled, which its positions are of; none where it had none. */
  margins?: Margins;
}

/** The current mask, and the fills on the photo. */
export interface Work {
  readonly mask: readonly Step[];
  readonly fills: readonly Filled[];
  /** The part of the photo that is saved; the whole of it where there is none. */
  readonly crop?: Rect;
  /** Margins of the photo; none where it is not extended. */
  readonly margins?: Margins;
}

export interface History {
  readonly past: readonly Work[];
  readonly now: Work;
  readonly future: readonly Work[];
}

/** Maximum number of undo steps; fills are pictures, so memory is limited. */
const MAX_STEPS = 200;

export const UNTOUCHED: History = { past: [], now: { mask: [], fills: [] }, future: [] };

/** Record a new state; redo is cleared. */
export function commit(history: History, now: Work): History {
  return { past: [...history.past, history.now].slice(-MAX_STEPS), now, future: [] };
}

/** Replace the current state, as if it had been recorded in this way. */
export function amend(history: History, now: Work): History {
  return { ...history, now };
}

export function undo(history: History): History {
  const before = history.past.at(-1);
  if (before === undefined) return history;
  return { past: history.past.slice(0, -1), now: before, future: [history.now, ...history.future] };
}

export function redo(history: History): History {
  const [after, ...future] = history.future;
  if (after === undefined) return history;
  return { past: [...history.past, history.now], now: after, future };
}

/** All states of a history, from the oldest on. */
export function statesOf({ past, now, future }: History): Work[] {
  return [...past, now, ...future];
}

/** Go to a state, by its number from the oldest on. */
export function jump(history: History, to: number): History {
  const states = statesOf(history);
  return { past: states.slice(0, to), now: states[to], future: states.slice(to + 1) };
}

/** All fills in the history, each once. */
export function fillsIn(history: History): Set<Fill> {
  return new Set(statesOf(history).flatMap(({ fills }) => fills.map(({ fill }) => fill)));
}

/** Add a step to the mask. */
export function painted(work: Work, step: Step): Work {
  return { ...work, mask: [...work.mask, step] };
}

/** Replace the mask; null clears it. */
export function masked(work: Work, step: Step | null): Work {
  return { ...work, mask: step === null ? [] : [step] };
}

/** Add a fill and clear its mask; steps painted since it began stay. */
export function filled(work: Work, fill: Filled): Work {
  return { ...work, mask: work.mask.slice(fill.mask.length), fills: [...work.fills, madeIn(work, fill)] };
}

/** Add a stroke that copies; the mask stays. */
export function cloned(work: Work, fill: Filled): Work {
  return { ...work, fills: [...work.fills, madeIn(work, fill)] };
}

/** Extend the photo to margins, which a fill covers; its mask is filled, too, and it is whole again. */
export function extended({ fills }: Work, margins: Margins, fill: Filled): Work {
  const work = { mask: [], fills, margins };
  return { ...work, fills: [...fills, madeIn(work, fill)] };
}

/** A fill of the photo with the margins that it has. */
function madeIn({ margins }: Work, fill: Filled): Filled {
  return margins === undefined ? fill : { ...fill, margins };
}

/** Fills at other places, by the distance. */
const moved = new WeakMap<Fill, Map<string, Fill>>();

/** The fills, from bottom to top, at their places on the photo with its present margins. */
export function fillsOf(work: Work): Fill[] {
  const margins = marginsOf(work);
  return work.fills.map(({ fill, margins: then = NO_MARGINS }) =>
    movedBy(fill, margins.left - then.left, margins.top - then.top),
  );
}

/** A fill at another place; it shares the pictures. */
function movedBy(fill: Fill, right: number, down: number): Fill {
  if (right === 0 && down === 0) return fill;
  const places = moved.get(fill) ?? new Map<string, Fill>();
  moved.set(fill, places);
  const key = `${right},${down}`;
  const at = (rect: Rect): Rect => ({ ...rect, left: rect.left + right, top: rect.top + down });
  const patches = fill.patches.map((patch) => ({ ...patch, rect: at(patch.rect) }));
  const there = places.get(key) ?? { ...fill, rects: fill.rects.map(at), patches };
  places.set(key, there);
  return there;
}

export function marginsOf({ margins = NO_MARGINS }: Work): Margins {
  return margins;
}

/** Whether a file of the work differs from the photo. */
export function isChanged({ fills, crop }: Work): boolean {
  return fills.length > 0 || crop !== undefined;
}

/** Save a part of the photo; null for the whole of it. */
export function cropped({ crop: _, ...work }: Work, crop: Rect | null): Work {
  return crop === null ? work : { ...work, crop };
}

/** The last fill, if it can be filled again. */
export function lastFilled({ fills }: Work): Filled | undefined {
  const last = fills.at(-1);
  return last?.copying === undefined ? last : undefined;
}

/** Replace the last fill by another try; the mask stays. */
export function refilled(work: Work, fill: Filled): Work {
  return { ...work, fills: [...work.fills.slice(0, -1), madeIn(work, fill)] };
}
