/** The photo with its fills as a file of the person's own. */

import { say } from "../texts/texts";
import { fillsOf, isReady, type State, tell, waitFor } from "./state";

/** Write the photo and offer it; what the file leaves out is told. */
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
      tell(state, () => say("complete_saved", { name }), ...notes);
    },
  );
}

/** Give a file to the browser to be kept. */
export function offer(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // a browser may ask where to first
}
