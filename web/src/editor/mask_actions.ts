/** What is done to the mask as a whole. */

import { stemOf } from "../engine/naming";
import { say } from "../texts/texts";
import { masked, painted } from "./document";
import { grow, shrink } from "./grow";
import { held } from "./opening";
import { bitmapOf, holeOf, maskPicture } from "./raster";
import { offer } from "./saving";
import { change, complain, isReady, type State, waitFor } from "./state";

/** Mark what a file marks, and nothing else. */
export async function loadMask(state: State, file: File | undefined): Promise<void> {
  const photo = state.photo.value;
  if (photo === null || file === undefined) return;
  if (!isReady(state)) return complain(state, () => say("complete_not_now", { name: file.name }));
  await waitFor(
    state,
    "masking",
    async () => state.engine.readMask(await held(file), photo),
    (mask) => {
      const step = bitmapOf({ rect: { left: 0, top: 0, width: photo.width, height: photo.height }, mask });
      change(state, masked(state.work.value, step));
      if (step === null) complain(state, () => say("complete_black_mask", { name: file.name }));
    },
  );
}

/** Offer the mask as a file of the photo's size. */
export async function saveMask(state: State): Promise<void> {
  const photo = state.photo.value;
  if (!isReady(state) || photo === null) return;
  const name = `${stemOf(photo.file.name)}_mask.png`;
  const { mask } = state.work.value;
  await waitFor(
    state,
    "masking",
    () => maskPicture(mask, photo),
    (content) => offer(content, name),
  );
}

export function invertMask(state: State): void {
  if (isReady(state)) change(state, painted(state.work.value, { kind: "inversion" }));
}

export function clearMask(state: State): void {
  if (isReady(state) && state.work.value.mask.length > 0) change(state, masked(state.work.value, null));
}

/** Mark so many pixels more on all sides, or fewer where that is negative. */
export function growMask(state: State, reach: number): void {
  const photo = state.photo.value;
  if (!isReady(state) || photo === null) return;
  const hole = holeOf(state.work.value.mask, photo);
  if (hole === null) complain(state, () => say("complete_no_hole"));
  else {
    const grown = reach > 0 ? grow(hole, reach, photo) : shrink(hole, -reach, photo);
    change(state, masked(state.work.value, bitmapOf(grown)));
  }
}
