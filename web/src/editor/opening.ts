/** From a file, an example or the clipboard to a photo on the canvas. */

import { EngineError } from "../engine/engine";
import { say } from "../texts/texts";
import { complain, isUnsaved, type Received, type State, takeUp, tell, waitFor } from "./state";

/** Open the first of the files that came together, and say that the others were not. */
export async function openFirst(state: State, files: FileList | undefined): Promise<void> {
  const [file, ...others] = files ?? [];
  await open(state, file, others.length);
}

/**
 * Open a photo; when that would lose work, a person is asked first.
 *
 * @param others - how many files came with it, of which a person is told
 */
export async function open(state: State, file: File | undefined, others = 0): Promise<void> {
  if (file === undefined) return;
  state.example.value?.abort(); // whoever opens a photo no longer waits for an example
  if (state.busy.value !== null) complain(state, () => say("complete_not_now", { name: file.name }));
  else if (isUnsaved(state)) state.waiting.value = { file, others };
  else await openAnyway(state, { file, others });
}

/** Open a photo and let go what was done to the one before. */
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
      tell(state, () => say("complete_opened", { name: file.name, width, height }), ...alone, ...losses);
    },
  );
  state.preview.value = null;
}

/**
 * A file with its content in memory: what was chosen may be changed or taken away while somebody works on it.
 *
 * Raises `EngineError` when it cannot be read, as a folder cannot.
 */
export async function held(file: File): Promise<File> {
  try {
    return new File([await file.arrayBuffer()], file.name, { type: file.type });
  } catch (error) {
    throw new EngineError(() => say("complete_no_file", { name: file.name }), { cause: error });
  }
}

/** The answer to whether work may be lost. */
export async function answer(state: State, yes: boolean): Promise<void> {
  const received = state.waiting.value;
  state.waiting.value = null;
  if (yes && received !== null) await openAnyway(state, received);
}

/** Open a photo that the page brings along. */
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
 * Have the browser ask before the page is left with work that is not saved.
 *
 * @returns what ends it
 */
export function guardUnsaved(state: State): () => void {
  const ask = (event: Event): void => {
    if (isUnsaved(state)) event.preventDefault();
  };
  window.addEventListener("beforeunload", ask);
  return () => window.removeEventListener("beforeunload", ask);
}
