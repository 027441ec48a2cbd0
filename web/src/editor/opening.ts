/** Opening photos from files, examples and the clipboard. */

import { held } from "../engine/copies";
import type { Photo } from "../engine/engine";
import { say } from "../texts/texts";
import { announce, complain, isUnsaved, type State, takeUp, waitFor } from "./state";

/** Open a photo; ask first when unsaved work would be lost. */
export async function open(state: State, file: File | undefined): Promise<void> {
  if (file === undefined) return;
  state.example.value?.abort(); // cancels the loading of an example
  if (state.busy.value !== null) complain(state, () => say("complete_not_now", { name: file.name }));
  else if (isUnsaved(state)) state.waiting.value = file;
  else await openAnyway(state, file);
}

/** Open a photo and discard the work on the previous one. */
async function openAnyway(state: State, file: File): Promise<void> {
  state.preview.value = file;
  await waitFor(
    state,
    "opening",
    async (signal, onProgress) => {
      if (state.photo.value !== null) await state.engine.release(state.photo.value.file);
      return state.engine.open(await held(file), onProgress, signal);
    },
    (photo) => {
      takeUp(state, photo);
      present(state, photo);
    },
  );
  state.preview.value = null;
}

/** Report a photo's size, and the losses when it is saved. */
export function present(state: State, { file, width, height, notes }: Photo): void {
  const losses = notes.length === 0 ? [] : [() => say("complete_when_saved"), ...notes];
  announce(state, () => say("complete_opened", { name: file.name, width, height }), ...losses);
}

/** The answer to the question about unsaved work. */
export async function answer(state: State, yes: boolean): Promise<void> {
  const received = state.waiting.value;
  state.waiting.value = null;
  if (yes && received !== null) await openAnyway(state, received);
}

export function nameOf(address: string): string {
  return decodeURIComponent(address.split("/").at(-1) ?? address);
}

/**
 * Have the browser ask before the page is left with unsaved work.
 *
 * @returns a function that stops it
 */
export function guardUnsaved(isUnsaved: () => boolean): () => void {
  const ask = (event: Event): void => {
    if (isUnsaved()) event.preventDefault();
  };
  window.addEventListener("beforeunload", ask);
  return () => window.removeEventListener("beforeunload", ask);
}
