/** Finding damage and text, which is added to the mask. */

import type { Photo } from "../engine/engine";
import type { TextKey } from "../texts/english";
import { say } from "../texts/texts";
import { fillsOf, painted } from "./document";
import { inBands } from "./pace";
import { liftMoved } from "./painting";
import { bitmapOf } from "./raster";
import { announce, change, complain, isReady, type Outcome, type State, waitFor } from "./state";

/** The names of kinds. */
const NAMES: Record<string, TextKey> = { scratches: "find_scratches", dust: "find_dust", text: "find_text" };

/** The name of a kind in the language of the page. */
export function nameOfKind(name: string): string {
  return name in NAMES ? say(NAMES[name]) : name;
}

/** Open or close the menu of finding. */
export function toggleFinder(state: State): void {
  if (state.photo.value === null || state.site.finds.length === 0) return;
  if (state.busy.value === null) state.message.value = null; // the menu takes its place
  state.shapes.value = false;
  state.finder.value = !state.finder.value;
}

/** The names of the chosen kinds, of those that can be found. */
export function wantedOf({ site, wanted }: State): string[] {
  return site.finds
    .filter(({ name, missing }) => missing === null && wanted.value.includes(name))
    .map(({ name }) => name);
}

/** Choose a kind, or no longer. */
export function want(state: State, name: string, yes: boolean): void {
  const others = state.wanted.value.filter((one) => one !== name);
  state.wanted.value = yes ? [...others, name] : others;
}

/** Find the chosen kinds, and add the marks to the mask as one step. */
export async function find(state: State): Promise<Outcome> {
  liftMoved(state);
  const photo = state.photo.value;
  if (!isReady(state) || photo === null) return "failed";
  const what = wantedOf(state);
  if (what.length === 0) {
    complain(state, () => say("find_nothing_chosen"));
    return "failed";
  }
  state.finder.value = false;
  const work = state.work.value;
  const options = { what, sensitivity: state.sensitivity.value };
  return waitFor(
    state,
    "finding",
    async (signal, onProgress) => {
      const mask = await state.engine.find(photo, fillsOf(work), options, onProgress, signal);
      return { mask, share: await shareOf(mask, photo) };
    },
    ({ mask, share }) => {
      const step = bitmapOf({ rect: { left: 0, top: 0, width: photo.width, height: photo.height }, mask }, "found");
      if (step === null) return announce(state, () => say("find_nothing"));
      change(state, painted(state.work.value, step));
      const percent = Math.max(0.1, 100 * share);
      announce(state, () => say("find_found", { percent }));
    },
  );
}

async function shareOf(mask: Uint8Array, photo: Photo): Promise<number> {
  let marked = 0;
  await inBands(photo, (top, bottom) => {
    for (let at = top * photo.width; at < bottom * photo.width; at++) if (mask[at] !== 0) marked++;
  });
  return marked / mask.length;
}
