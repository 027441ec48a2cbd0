/** The photos that are open, as they are to be kept. */

import { fileOf } from "../editor/album";
import type { Entry } from "../editor/album_entries";
import { type History, UNTOUCHED, type Work } from "../editor/document";
import { homeOf } from "../editor/folders";
import type { State } from "../editor/state";
import type { Size } from "../editor/steps";
import type { Line } from "../engine/engine";

/** A photo and the work on it. */
export interface Item {
  file: File;
  history: History;
  saved: Work;
  /** Its order in the strip. */
  place: number;
  isShown: boolean;
  size: Size | null;
  opens: boolean;
  failure: Line | null;
  thumbnail: Blob | null;
  /** Where it is from, if results can be written there. */
  home: FileSystemDirectoryHandle | null;
}

/** All photos that are open, those with unsaved work first. */
export function itemsOf(state: State): Item[] {
  const items = state.album.isOpen.value
    ? state.album.entries.value.map((entry) => itemOf(state, entry))
    : alone(state);
  return items.sort((one, other) => Number(isUnsaved(other)) - Number(isUnsaved(one)) || one.place - other.place);
}

/** Whether nothing has to be kept: all photos are saved, or cannot be opened at all. */
export function areSaved(items: readonly Item[]): boolean {
  return items.every((item) => isSaved(item) || !(item.opens || isUnsaved(item)));
}

/** Whether something was saved, and no work would be lost. */
export function areDone(items: readonly Item[]): boolean {
  return items.some(isSaved) && !items.some(isUnsaved);
}

function isSaved({ history, saved }: Item): boolean {
  return history.now === saved && saved !== UNTOUCHED.now;
}

function isUnsaved({ history, saved }: Item): boolean {
  return history.now !== saved && (history.now.fills.length > 0 || history.now.mask.length > 0);
}

/** Whether what is kept of an item is still true. */
export function isAlike(one: Item, other: Item): boolean {
  return (Object.keys(one) as (keyof Item)[]).every((key) => key === "file" || one[key] === other[key]);
}

function itemOf(state: State, entry: Entry): Item {
  const isShown = entry === state.album.shown.value;
  const parked = entry.parked.value ?? { history: UNTOUCHED, saved: UNTOUCHED.now };
  const { history, saved } = isShown ? { history: state.history.value, saved: state.saved.value } : parked;
  const { id: place, size, opens, failure, thumbnail } = entry;
  const file = fileOf(state, entry);
  const signals = { failure: failure.value, thumbnail: thumbnail.value };
  return { file, history, saved, place, isShown, size, opens, home: homeOf(file), ...signals };
}

function alone({ opened, history, saved }: State): Item[] {
  if (opened.value === null) return [];
  const { file, width, height } = opened.value;
  const size = { width, height };
  const work = { history: history.value, saved: saved.value };
  return [
    { file, ...work, place: 0, isShown: true, size, opens: true, failure: null, thumbnail: null, home: homeOf(file) },
  ];
}
