/** Filling what is marked, and filling it again. */

import type { Fill, FillOptions, Hole, Line, Photo, Progress } from "../engine/engine";
import { say } from "../texts/texts";
import { filled, refilled, type Work } from "./document";
import { holeOf } from "./raster";
import { change, complain, fillsOf, isReady, optionsOf, type State, tell, waitFor } from "./state";

/** Percent of a photo of which a fill has little left to go by: `onar complete` asks from there on, too. */
const MUCH = 70;

/** Fill what is marked. */
export async function fill(state: State): Promise<void> {
  const photo = state.photo.value;
  if (!isReady(state) || photo === null) return;
  const work = state.work.value;
  const hole = holeOf(work.mask, photo);
  if (hole === null) return complain(state, () => say("complete_no_hole"));
  const options = optionsOf(state, 0);
  await run(state, photo, fillsOf(work), hole, options, (fill) => filled(work, { fill, hole, options }));
}

/** Whether there is a fill to try again. */
export function canFillAgain(state: State): boolean {
  return isReady(state) && state.work.value.fills.length > 0;
}

/** Put another try in the place of the last fill. */
export async function fillAgain(state: State): Promise<void> {
  const photo = state.photo.value;
  const work = state.work.value;
  const last = work.fills.at(-1);
  if (!isReady(state) || photo === null || last === undefined) return;
  const { hole } = last;
  const options = optionsOf(state, last.options.seed + 1);
  if (isSame(state, last.options, options)) return complain(state, () => say("complete_always_same"));
  await run(state, photo, fillsOf(work).slice(0, -1), hole, options, (fill) => refilled(work, { fill, hole, options }));
}

/** Whether another try would come out as the one before: only what is copied differs. */
function isSame({ site }: State, one: FillOptions, other: FillOptions): boolean {
  const copies = site.copies && other.texture !== "network";
  return !copies && one.texture === other.texture && one.weights === other.weights;
}

/** What a person is asked about a hole: whether so much of the photo was meant. */
function doubts({ mask }: Hole, { width, height }: Photo): Line[] {
  const marked = mask.reduce((count, level) => count + (level === 0 ? 0 : 1), 0);
  const percent = Math.round((100 * marked) / (width * height));
  return percent > MUCH ? [() => say("complete_much", { percent })] : [];
}

async function run(
  state: State,
  photo: Photo,
  earlier: Fill[],
  hole: Hole,
  options: FillOptions,
  after: (fill: Fill) => Work,
): Promise<void> {
  const started = performance.now();
  const onProgress = ({ share }: Progress): void => {
    const busy = state.busy.value;
    if (busy?.what === "filling") state.busy.value = { ...busy, share };
  };
  await waitFor(
    state,
    "filling",
    (signal) => state.engine.fill(photo, earlier, hole, options, onProgress, signal),
    (fill) => {
      change(state, after(fill));
      const seconds = (performance.now() - started) / 1000;
      tell(state, () => say("complete_filled", { seconds }), ...fill.notes, ...doubts(hole, photo));
    },
  );
}
