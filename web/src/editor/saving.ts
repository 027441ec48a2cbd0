/** Saving the photo with its fills. */

import { EngineError } from "../engine/engine";
import { say } from "../texts/texts";
import { fillsOf } from "./document";
import { announce, clearFailure, isReady, type State, waitFor } from "./state";

/** Encode and download the photo, and report what the file leaves out. */
export async function save(state: State): Promise<void> {
  const photo = state.photo.value;
  if (!isReady(state) || photo === null) return;
  const work = state.work.value;
  await waitFor(
    state,
    "saving",
    (signal, onProgress) =>
      state.engine.save(photo, fillsOf(work), state.format.value, work.crop ?? null, onProgress, signal),
    ({ content, name, notes }) => {
      offer(content, name);
      state.saved.value = work;
      clearFailure(state);
      announce(state, () => say("complete_saved", { name }), ...notes);
    },
  );
}

/** Copy the photo with its fills to the clipboard, as PNG. */
export async function copyPhoto(state: State): Promise<void> {
  const photo = state.photo.value;
  if (!isReady(state) || photo === null) return;
  const work = state.work.value;
  await waitFor(
    state,
    "saving",
    async (signal, onProgress) => {
      const saving = state.engine.save(photo, fillsOf(work), "png", work.crop ?? null, onProgress, signal);
      // Browsers allow this within the click alone, so the picture follows as a promise.
      await Promise.all([saving, copied(saving.then(({ content }) => content))]);
    },
    () => announce(state, () => say("complete_copied")),
  );
}

/** Write a picture to the clipboard; raises `EngineError` where browsers do not allow it. */
async function copied(picture: Promise<Blob>): Promise<void> {
  try {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
  } catch (error) {
    await picture; // its own error comes first
    throw new EngineError(() => say("complete_not_copied"), { cause: error });
  }
}

/** Download a file. */
export function offer(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser may ask for a folder first
}
