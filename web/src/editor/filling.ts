/** Filling the marked pixels, and filling them again. */

import { EngineError, type Fill, type FillOptions, type Hole, type Line, type Photo } from "../engine/engine";
import shared from "../shared.json";
import { say } from "../texts/texts";
import { filled, fillsOf, lastFilled, refilled, type Work } from "./document";
import { holeOf } from "./raster";
import { announce, change, complain, isReady, type Outcome, optionsOf, type State, waitFor } from "./state";
import { extentOf, type Step } from "./steps";
import { isSeenThrough } from "./transparency";
import { copiesAlone } from "./weights";

/** Percent of holes above which a mask is probably inverted. */
const MUCH = 100 * shared.masks.MANY_HOLES;

/** Fill the marked pixels. */
export async function fill(state: State): Promise<Outcome> {
  if (!isReady(state)) return "failed";
  const work = state.work.value;
  const options = optionsOf(state, state.seed.value);
  return fillHole(state, {
    ...taskOf(state, fillsOf(work), work.mask, options),
    after: (now, fill) => filled(now, { fill, mask: work.mask, options }),
  });
}

/** Whether there is a fill to try again. */
export function canFillAgain(state: State): boolean {
  return isReady(state) && lastFilled(state.work.value) !== undefined;
}

/** Replace the last fill by another try. */
export async function fillAgain(state: State): Promise<void> {
  const work = state.work.value;
  const last = lastFilled(work);
  if (!isReady(state) || last === undefined) return;
  const { mask } = last;
  const options = optionsOf(state, last.options.seed + 1);
  if (isSame(state, last.options, options)) complain(state, () => say("complete_always_same"));
  else
    await fillHole(state, {
      ...taskOf(state, fillsOf(work).slice(0, -1), mask, options),
      after: (now, fill) => refilled(now, { fill, mask, options }),
    });
}

/** Whether another try would give the same result: only copied texture is random. */
function isSame({ site, weights }: State, one: FillOptions, other: FillOptions): boolean {
  const asked = other.texture === "patches" || (other.texture === "auto" && copiesAlone(weights.value));
  const copies = site.copies && asked;
  const differs = one.texture !== other.texture || one.weights !== other.weights || one.feather !== other.feather;
  return !copies && !differs;
}

/** A warning about large holes, which are often inverted masks; and what becomes of transparency. */
function remarks(hole: Hole, photo: Photo): Line[] {
  let marked = 0;
  for (const { mask } of hole) for (const level of mask) if (level !== 0) marked++;
  const percent = Math.round((100 * marked) / (photo.width * photo.height));
  const lines: Line[] = percent > MUCH ? [() => say("complete_much", { percent })] : [];
  if (isSeenThrough(photo, hole)) lines.push(() => say("complete_translucent"));
  return lines;
}

/** A hole to fill. */
export interface Task {
  what: "filling" | "extending";
  photo: Photo | null;
  earlier: Fill[];
  mask: readonly Step[];
  options: FillOptions;
  remarks(hole: Hole, photo: Photo): Line[];
  /** The work with the fill. */
  after(now: Work, fill: Fill): Work;
}

/** A hole of the photo that is shown. */
function taskOf(state: State, earlier: Fill[], mask: readonly Step[], options: FillOptions): Omit<Task, "after"> {
  return { what: "filling", photo: state.photo.value, earlier, mask, options, remarks };
}

/** Fill a hole, with progress and messages. */
export async function fillHole(state: State, task: Task): Promise<Outcome> {
  const { what, photo, earlier, mask, options } = task;
  if (photo === null) return "failed";
  if (extentOf(mask, photo) === null) {
    complain(state, () => say("complete_no_hole"));
    return "failed";
  }
  const started = performance.now();
  const steps = state.work.value.mask.length;
  return waitFor(
    state,
    what,
    async (signal, onProgress) => {
      const hole = await holeOf(mask, photo);
      if (hole.length === 0) throw new EngineError(() => say("complete_no_hole"));
      const fill = await state.engine.fill(photo, earlier, hole, options, onProgress, signal);
      return { fill, remarked: task.remarks(hole, photo) };
    },
    ({ fill: done, remarked }) => {
      const isPainted = state.work.value.mask.length > steps; // since it began
      change(state, task.after(state.work.value, done));
      const seconds = (performance.now() - started) / 1000;
      announce(state, () => say("complete_filled", { seconds }), ...done.notes, ...remarked);
      if (isPainted && state.fillsOnLift.value) void fill(state);
    },
  );
}
