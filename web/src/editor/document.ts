/** What was done to a photo, and its undoing: values that never change, and nothing of drawing. */

import type { Fill, FillOptions } from "../engine/engine";
import type { Step } from "./steps";

/** A hole that was filled, and how, so that it can be filled again. */
export interface Filled {
  fill: Fill;
  /** What was marked. */
  mask: readonly Step[];
  options: FillOptions;
}

/** The mask that is being painted, and what lies on the photo. */
export interface Work {
  readonly mask: readonly Step[];
  readonly fills: readonly Filled[];
}

export interface History {
  readonly past: readonly Work[];
  readonly now: Work;
  readonly future: readonly Work[];
}

/** More can be undone than anybody counts, but not without end: fills are pictures. */
const LONGEST = 200;

export const UNTOUCHED: History = { past: [], now: { mask: [], fills: [] }, future: [] };

/** Go on with other work; what was undone before is gone. */
export function commit(history: History, now: Work): History {
  return { past: [...history.past, history.now].slice(-LONGEST), now, future: [] };
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

/** Every fill that is on the photo or can come back to it, once. */
export function fillsIn({ past, now, future }: History): Set<Fill> {
  return new Set([...past, now, ...future].flatMap(({ fills }) => fills.map(({ fill }) => fill)));
}

/** A step more on the mask. */
export function painted(work: Work, step: Step): Work {
  return { ...work, mask: [...work.mask, step] };
}

/** Another mask; none when it is null. */
export function masked(work: Work, step: Step | null): Work {
  return { ...work, mask: step === null ? [] : [step] };
}

/** A fill more; the mask was used up. */
export function filled(work: Work, fill: Filled): Work {
  return { mask: [], fills: [...work.fills, fill] };
}

/** The last fill as another try came out; the mask stays. */
export function refilled(work: Work, fill: Filled): Work {
  return { ...work, fills: [...work.fills.slice(0, -1), fill] };
}
