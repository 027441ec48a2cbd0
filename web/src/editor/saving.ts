/** Saving the photo with its fills. */

import { say } from "../texts/texts";
import { announce, fillsOf, isReady, type State, waitFor } from "./state";

/** Encode and download the photo, and report what the file leaves out. */
export async function save(state: State): Promise<void> {
  const photo = state.photo.value;
  if (!isReady(state) || photo === null) return;
  const work = state.work.value;
  await waitFor(
    state,
    "saving",
    (signal, onProgress) => state.engine.save(photo, fillsOf(work), state.format.value, onProgress, signal),
    ({ content, name, notes }) => {
      offer(content, name);
      state.saved.value = work;
      announce(state, () => say("complete_saved", { name }), ...notes);
    },
  );
}

/** Download a file. */
export function offer(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser may ask for a folder first
}
