/** Several photos, of which one is shown; the others keep their file and their compressed work. */

import { batch } from "@preact/signals";
import { held } from "../engine/copies";
import type { Photo } from "../engine/engine";
import { say } from "../texts/texts";
import { type Entry, entryOf } from "./album_entries";
import { fillsOf, isChanged, UNTOUCHED, type Work } from "./document";
import { open, present } from "./opening";
import { liftMoved } from "./painting";
import { type Parked, park, unpark } from "./parking";
import { failuresOf, ofPhotos } from "./photo_names";
import { announce, complain, isUnsaved, type Outcome, putAway, type State, takeUp, waitFor } from "./state";
import { drawShown, drawThumbnails } from "./thumbnails";

export type Status = "untouched" | "marked" | "filled" | "saved" | "failed";

/** The file of a photo, or its copy where there is work on it. */
export function fileOf({ album, photo }: State, entry: Entry): File {
  return entry === album.shown.value && photo.value !== null ? photo.value.file : entry.file;
}

/** The work on a photo, and the last saved one. */
export function workOf(state: State, entry: Entry): { now: Work; saved: Work } {
  if (entry === state.album.shown.value) return { now: state.work.value, saved: state.saved.value };
  const parked = entry.parked.value;
  return parked === null
    ? { now: UNTOUCHED.now, saved: UNTOUCHED.now }
    : { now: parked.history.now, saved: parked.saved };
}

export function statusOf(state: State, entry: Entry): Status {
  const { now, saved } = workOf(state, entry);
  if (entry.failure.value !== null) return "failed";
  if (isChanged(now) && now === saved) return "saved";
  if (now.mask.length > 0) return "marked";
  return isChanged(now) ? "filled" : "untouched";
}

/** Whether work on a photo would be lost without it. */
export function isEntryUnsaved(state: State, entry: Entry): boolean {
  const { now, saved } = workOf(state, entry);
  return now !== saved && (isChanged(now) || now.mask.length > 0);
}

/** Whether there is unsaved work on any photo. */
export function isAnyUnsaved(state: State): boolean {
  return isUnsaved(state) || state.album.entries.value.some((entry) => isEntryUnsaved(state, entry));
}

/** Whether another photo can be shown now. */
export function canChange(state: State): boolean {
  return state.busy.value === null && state.album.batch.value === null;
}

/** Open files: one alone as such, several in a strip; what there is of one, and unsaved work, is kept. */
export async function openFiles(state: State, files: readonly File[]): Promise<void> {
  const { album } = state;
  if (files.length === 0) return;
  if (files.length === 1 && !album.isOpen.value) return open(state, files[0]);
  state.example.value?.abort();
  if (!canChange(state)) {
    complain(state, () => say("complete_not_now", { name: files[0].name }));
    return;
  }
  const added = files.map(entryOf);
  batch(() => {
    if (!album.isOpen.value) startWithShown(state);
    album.entries.value = [...album.entries.value, ...added];
  });
  const failed: Entry[] = [];
  for (const entry of added) {
    if ((await show(state, entry)) !== "failed") break;
    failed.push(entry);
  }
  void nameFailed(state, failed, added.slice(failed.length));
}

/** Draw the thumbnails of opened photos, and say which photos cannot be opened. */
async function nameFailed(state: State, failed: readonly Entry[], rest: readonly Entry[]): Promise<void> {
  const all = [...failed, ...(await drawThumbnails(state, rest))];
  if (all.length > 0) complain(state, () => failuresOf(all));
}

/** The photo that is open becomes the first of the strip, if there is unsaved work on it. */
function startWithShown(state: State): void {
  const [photo, opened] = [state.photo.value, state.opened.value];
  if (photo === null || opened === null || !isUnsaved(state)) return;
  const entry = entryOf(photo.file);
  Object.assign(entry, { isCopy: true, size: { width: opened.width, height: opened.height } });
  state.album.entries.value = [entry];
  state.album.shown.value = entry;
  void drawShown(entry, photo, fillsOf(state.work.value));
}

/** Show a photo of the strip, as it was left. */
export async function show(state: State, entry: Entry): Promise<Outcome> {
  const { album } = state;
  if (entry === album.shown.value) return "done";
  if (state.busy.value !== null) {
    complain(state, () => say("complete_not_now", { name: entry.file.name }));
    return "failed";
  }
  liftMoved(state);
  state.preview.value = entry.file;
  entry.failure.value = null;
  const outcome = await waitFor(
    state,
    "opening",
    async (signal, onProgress) => {
      const left = album.shown.value && (await parkShown(state));
      const file = entry.isCopy ? entry.file : await held(entry.file);
      const photo = await state.engine.open(file, onProgress, signal);
      return { left, photo, work: await workOn(entry, photo) };
    },
    ({ left, photo, work }) => {
      if (album.shown.value !== null) leave(state, album.shown.value, left);
      arrive(state, entry, photo, work);
    },
  );
  state.preview.value = null;
  entry.opens = outcome !== "failed";
  if (outcome === "failed") {
    const why = state.message.value?.text ?? (() => "");
    entry.failure.value = why;
    complain(state, () => ofPhotos([entry], why));
  }
  return outcome;
}

/** Draw the photo that is shown with its fills in the strip. */
export async function redrawThumbnail({ album, photo, work }: State): Promise<void> {
  if (album.shown.value !== null && photo.value !== null && work.value.fills.length > 0) {
    await drawShown(album.shown.value, photo.value, fillsOf(work.value));
  }
}

async function parkShown(state: State): Promise<Parked | null> {
  await redrawThumbnail(state);
  return state.history.value === UNTOUCHED ? null : park(state.history.value, state.saved.value);
}

/** The work on a photo; nothing where its mask is for another size. */
async function workOn({ parked, size }: Entry, photo: Photo): Promise<Parked> {
  const fits = size === null || (size.width === photo.width && size.height === photo.height);
  if (parked.value === null || !fits) return { history: UNTOUCHED, saved: UNTOUCHED.now };
  return unpark(parked.value);
}

function leave(state: State, entry: Entry, parked: Parked | null): void {
  entry.parked.value = parked;
  if (parked === null || state.photo.value === null) return; // and with it goes the copy of its file
  entry.file = state.photo.value.file;
  entry.isCopy = true;
}

function arrive(state: State, entry: Entry, photo: Photo, { history, saved }: Parked): void {
  const { width, height } = state.opened.value ?? { width: 0, height: 0 };
  const [size, format] = [state.size.value, state.format.value];
  takeUp(state, photo);
  state.history.value = history;
  state.saved.value = saved;
  if (width === photo.width && height === photo.height) state.size.value = size;
  if (state.album.shown.value !== null) state.format.value = format;
  state.album.shown.value = entry;
  entry.parked.value = null;
  entry.size = { width: photo.width, height: photo.height };
  if (entry.thumbnail.value === null) void drawShown(entry, photo, []);
  present(state, photo);
}

/** Show the next (1) or previous (-1) photo; one that could not be opened is skipped. */
export async function showNext(state: State, direction: 1 | -1): Promise<void> {
  const { album } = state;
  if (!album.isOpen.value || !canChange(state)) return;
  const next = neighbour(state, album.shown.value, direction);
  if (next !== undefined) await show(state, next);
}

function neighbour({ album }: State, entry: Entry | null, direction: 1 | -1): Entry | undefined {
  const entries = album.entries.value;
  const at = entry === null ? -1 : entries.indexOf(entry);
  const beside = direction > 0 ? entries.slice(at + 1) : entries.slice(0, Math.max(0, at)).reverse();
  return beside.find(({ opens }) => opens);
}

/** Leave a photo out; ask first when unsaved work on it would be lost. */
export async function leaveOut(state: State, entry: Entry): Promise<void> {
  if (!canChange(state)) return;
  if (entry === state.album.shown.value) liftMoved(state);
  if (isEntryUnsaved(state, entry)) state.album.leaving.value = entry;
  else await leaveOutAnyway(state, entry);
}

/** The answer to the question about unsaved work. */
export async function answerLeaving(state: State, yes: boolean): Promise<void> {
  const entry = state.album.leaving.value;
  state.album.leaving.value = null;
  if (yes && entry !== null) await leaveOutAnyway(state, entry);
}

async function leaveOutAnyway(state: State, entry: Entry): Promise<void> {
  const { album } = state;
  if (entry === album.shown.value) {
    const next = neighbour(state, entry, 1) ?? neighbour(state, entry, -1);
    if (next === undefined || (await show(state, next)) !== "done") return;
  }
  const rest = album.entries.value.filter((other) => other !== entry);
  const isAlone = rest.length === 0 || (rest.length === 1 && rest[0] === album.shown.value);
  void state.engine.release(entry.file);
  batch(() => {
    album.entries.value = isAlone ? [] : rest;
    if (isAlone) album.shown.value = null;
  });
  announce(state, () => say("strip_left_out", { name: entry.file.name }));
}

/** Close all photos; all work on them is lost. */
export function closeAll(state: State): void {
  const { album } = state;
  const files = album.entries.value.map(({ file }) => file);
  if (state.photo.value !== null) files.push(state.photo.value.file);
  batch(() => {
    album.entries.value = [];
    album.shown.value = null;
    putAway(state);
  });
  for (const file of files) void state.engine.release(file);
}
