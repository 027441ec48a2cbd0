/** Opening photos from files, examples and the clipboard. */

import { EngineError } from "../engine/engine";
import { say } from "../texts/texts";
import { announce, complain, isUnsaved, type Received, type State, takeUp, waitFor } from "./state";

/** Open the first of several files, and report that the others were ignored. */
export async function openFirst(state: State, files: FileList | undefined): Promise<void> {
  const [file, ...others] = files ?? [];
  await open(state, file, others.length);
}

/**
 * Open a photo; ask first when unsaved work would be lost.
 *
 * @param others - number of ignored files, which is reported
 */
export async function open(state: State, file: File | undefined, others = 0): Promise<void> {
  if (file === undefined) return;
  state.example.value?.abort(); // cancels the loading of an example
  if (state.busy.value !== null) complain(state, () => say("complete_not_now", { name: file.name }));
  else if (isUnsaved(state)) state.waiting.value = { file, others };
  else await openAnyway(state, { file, others });
}

/** Open a photo and discard the work on the previous one. */
async function openAnyway(state: State, { file, others }: Received): Promise<void> {
  state.preview.value = file;
  await waitFor(
    state,
    "opening",
    async (signal, onProgress) => state.engine.open(await held(file), onProgress, signal),
    (photo) => {
      takeUp(state, photo);
      const { width, height, notes } = photo;
      const losses = notes.length === 0 ? [] : [() => say("complete_when_saved"), ...notes];
      const alone = others === 0 ? [] : [() => say("complete_others", { count: others + 1, name: file.name })];
      announce(state, () => say("complete_opened", { name: file.name, width, height }), ...alone, ...losses);
    },
  );
  state.preview.value = null;
}

/**
 * A copy of a file in memory, because the file may be changed or removed meanwhile.
 *
 * Raises `EngineError` when it cannot be read, such as a folder.
 */
export async function held(file: File): Promise<File> {
  try {
    return new File([await file.arrayBuffer()], file.name, { type: file.type });
  } catch (error) {
    throw new EngineError(() => say("complete_no_file", { name: file.name }), { cause: error });
  }
}

/** The answer to the question about unsaved work. */
export async function answer(state: State, yes: boolean): Promise<void> {
  const received = state.waiting.value;
  state.waiting.value = null;
  if (yes && received !== null) await openAnyway(state, received);
}

/** Open an example photo. */
export async function openExample(state: State, address: string): Promise<void> {
  const name = nameOf(address);
  state.example.value?.abort();
  const loading = new AbortController();
  state.example.value = loading;
  try {
    const response = await fetch(address, { signal: loading.signal });
    if (!response.ok) throw new Error(String(response.status));
    const content = await response.blob();
    if (loading.signal.aborted) return;
    await open(state, new File([content], name, { type: content.type || "image/jpeg" }));
  } catch {
    if (!loading.signal.aborted) complain(state, () => say("complete_example_failed", { name }));
  }
}

export function nameOf(address: string): string {
  return decodeURIComponent(address.split("/").at(-1) ?? address);
}

/**
 * Have the browser ask before the page is left with unsaved work.
 *
 * @returns a function that stops it
 */
export function guardUnsaved(state: State): () => void {
  const ask = (event: Event): void => {
    if (isUnsaved(state)) event.preventDefault();
  };
  window.addEventListener("beforeunload", ask);
  return () => window.removeEventListener("beforeunload", ask);
}
