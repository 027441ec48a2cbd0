/** Files that are dropped on the page or pasted. */

import type { Signal } from "@preact/signals";
import { openFirst } from "./opening";
import type { State } from "./state";

/**
 * Open dropped and pasted files.
 *
 * @param dragging - called with whether a file is dragged over the page
 * @returns a function that stops it
 */
export function receiveFiles(state: State, dragging: Signal<boolean>): () => void {
  const ends = new AbortController();
  const { signal } = ends;
  const holdsFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
  window.addEventListener(
    "dragover",
    (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      dragging.value = true;
    },
    { signal },
  );
  window.addEventListener(
    "dragleave",
    (event) => {
      if (event.relatedTarget === null) dragging.value = false; // the pointer left the window
    },
    { signal },
  );
  window.addEventListener(
    "drop",
    (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      dragging.value = false;
      void openFirst(state, event.dataTransfer?.files);
    },
    { signal },
  );
  window.addEventListener("paste", (event) => void openFirst(state, event.clipboardData?.files), { signal });
  return () => ends.abort();
}
