/** Files that are dropped on the page or pasted. */

import type { Signal } from "@preact/signals";
import { openFiles } from "./album";
import { filesIn } from "./dropped";
import { complain, lineOf, type State } from "./state";

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
      void openDropped(state, event.dataTransfer);
    },
    { signal },
  );
  window.addEventListener("paste", (event) => void openFiles(state, [...(event.clipboardData?.files ?? [])]), {
    signal,
  });
  return () => ends.abort();
}

async function openDropped(state: State, dropped: DataTransfer | null): Promise<void> {
  try {
    await openFiles(state, dropped === null ? [] : await filesIn(dropped, state.site));
  } catch (error) {
    complain(state, lineOf(error));
  }
}
