/** Work on all photos of the strip, one after the other: the engine gets one request at a time. */

import type { Line } from "../engine/engine";
import { writtenMargins } from "../engine/margins";
import { say } from "../texts/texts";
import { canChange, redrawThumbnail, show, workOf } from "./album";
import type { Entry } from "./album_entries";
import { commit, type History, marginsOf, UNTOUCHED, type Work } from "./document";
import { fill } from "./filling";
import { find, wantedOf } from "./finding";
import { liftMoved } from "./painting";
import { park } from "./parking";
import { failuresOf, namesOf } from "./photo_names";
import { announce, complain, type Outcome, type State, waitFor } from "./state";
import { extentOf } from "./steps";

/** Fill what is marked on every photo. */
export async function fillAll(state: State): Promise<void> {
  if (!canChange(state)) return;
  liftMoved(state);
  const marked = state.album.entries.value.filter((entry) => workOf(state, entry).now.mask.length > 0);
  if (marked.length === 0) complain(state, () => say("complete_no_hole"));
  else report(state, await eachOf(state, marked, fill));
}

/** Find the chosen kinds on every photo, and add the marks to its mask. */
export async function findInEach(state: State): Promise<void> {
  if (!canChange(state)) return;
  if (wantedOf(state).length === 0) complain(state, () => say("find_nothing_chosen"));
  else report(state, await eachOf(state, state.album.entries.value, find));
}

/** The outcome for all photos. */
interface Report {
  done: number;
  failed: Entry[];
  isCancelled: boolean;
  /** Why no photo can be worked on any more. */
  lost: Line | null;
}

async function eachOf(
  state: State,
  entries: readonly Entry[],
  work: (state: State) => Promise<Outcome>,
): Promise<Report> {
  const { album } = state;
  const result: Report = { done: 0, failed: [], isCancelled: false, lost: null };
  for (const [at, entry] of entries.entries()) {
    album.batch.value = { number: at + 1, count: entries.length };
    let outcome = await show(state, entry);
    const isShown = outcome === "done";
    if (isShown) outcome = await work(state);
    const why = isShown ? (state.message.value?.text ?? null) : entry.failure.value;
    result.isCancelled = outcome === "cancelled";
    if (outcome === "lost") result.lost = state.message.value?.text ?? null;
    if (result.isCancelled || outcome === "lost") break;
    if (outcome === "failed") result.failed.push(entry);
    else result.done++;
    entry.failure.value = outcome === "failed" ? why : null;
  }
  album.batch.value = null;
  void redrawThumbnail(state);
  return result;
}

function report(state: State, { done, failed, isCancelled, lost }: Report): void {
  const lines: Line[] = [() => say(isCancelled ? "strip_cancelled" : "strip_done", { done })];
  if (failed.length > 0) lines.push(() => failuresOf(failed));
  if (lost !== null) lines.push(lost);
  if (lines.length === 1) announce(state, lines[0]);
  else complain(state, () => lines.map((line) => line()).join(" "));
}

/** Mark on all photos of this size what is marked on the one that is shown; the others are named. */
export async function sameMask(state: State): Promise<void> {
  const { album } = state;
  liftMoved(state);
  const [photo, shown] = [state.photo.value, album.shown.value];
  if (!canChange(state) || photo === null || shown === null) return;
  const { mask } = state.work.value;
  if (extentOf(mask, photo) === null) {
    complain(state, () => say("complete_no_hole"));
    return;
  }
  const unknown = album.entries.value.filter(({ size }) => size === null);
  const opened = await eachOf(state, unknown, async () => "done");
  if (opened.isCancelled || opened.lost !== null) return;
  if ((await show(state, shown)) === "done") await copyMask(state, { ...state.work.value, mask, fills: [] });
}

async function copyMask(state: State, work: Work): Promise<void> {
  const others = state.album.entries.value.filter((entry) => entry !== state.album.shown.value);
  const fitting = others.filter((entry) => isAsLarge(state, entry));
  const rest = others.filter((entry) => !fitting.includes(entry));
  await waitFor(
    state,
    "masking",
    () => park(commit(UNTOUCHED, work), UNTOUCHED.now),
    ({ history: { now } }) => {
      for (const { parked } of fitting) {
        const { history, saved } = parked.value ?? { history: UNTOUCHED, saved: UNTOUCHED.now };
        parked.value = { history: marked(history, now), saved };
      }
      const lines = rest.length === 0 ? [] : [() => say("strip_other_size", { names: namesOf(rest) })];
      announce(state, () => say("strip_same_mask_done", { count: fitting.length }), ...lines);
    },
  );
}

/** Whether a photo has the size and the margins of the one that is shown, so that masks of one fit the other. */
function isAsLarge(state: State, entry: Entry): boolean {
  const [photo, { size }] = [state.opened.value, entry];
  const margins = writtenMargins(marginsOf(workOf(state, entry).now));
  const isAlike = size?.width === photo?.width && size?.height === photo?.height;
  return isAlike && margins === writtenMargins(marginsOf(state.work.value));
}

function marked(history: History, { mask }: Work): History {
  return commit(history, { ...history.now, mask });
}
