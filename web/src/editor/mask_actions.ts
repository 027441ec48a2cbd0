/** Actions on the whole mask. */

import { held } from "../engine/copies";
import { EngineError } from "../engine/engine";
import { stemOf } from "../engine/naming";
import { say } from "../texts/texts";
import { masked, painted } from "./document";
import { grow, shrink } from "./grow";
import { liftMoved } from "./painting";
import { bitmapOf, holeOf, maskPicture, whole } from "./raster";
import { offer } from "./saving";
import { change, complain, isReady, type State, waitFor } from "./state";

/** Replace the mask by that of a file. */
export async function loadMask(state: State, file: File | undefined): Promise<void> {
  const photo = state.photo.value;
  if (photo === null || file === undefined) return;
  if (!isReady(state)) return complain(state, () => say("complete_not_now", { name: file.name }));
  liftMoved(state);
  await waitFor(
    state,
    "masking",
    async (signal) => state.engine.readMask(await held(file), photo, signal),
    (mask) => {
      const step = bitmapOf({ rect: { left: 0, top: 0, width: photo.width, height: photo.height }, mask }, "file");
      change(state, masked(state.work.value, step));
      if (step === null) complain(state, () => say("complete_black_mask", { name: file.name }));
    },
  );
}

/** Replace the mask by the picture in the clipboard. */
export async function pasteMask(state: State): Promise<void> {
  if (!isReady(state)) return;
  const name = say("complete_pasted_mask");
  let picture: Blob | null = null;
  try {
    for (const item of await navigator.clipboard.read()) {
      const type = item.types.find((each) => each.startsWith("image/"));
      if (type !== undefined) picture ??= await item.getType(type);
    }
  } catch {
    return complain(state, () => say("complete_no_clipboard"));
  }
  if (picture === null) complain(state, () => say("complete_nothing_to_paste"));
  else await loadMask(state, new File([picture], name, { type: picture.type }));
}

/** Download the mask in the photo's size. */
export async function saveMask(state: State): Promise<void> {
  liftMoved(state);
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
  liftMoved(state);
  if (isReady(state)) change(state, painted(state.work.value, { kind: "inversion" }));
}

export function clearMask(state: State): void {
  liftMoved(state);
  if (isReady(state) && state.work.value.mask.length > 0) change(state, masked(state.work.value, null));
}

/** Grow the mask by a number of pixels; negative numbers shrink it. */
export async function growMask(state: State, reach: number): Promise<void> {
  liftMoved(state);
  const photo = state.photo.value;
  if (!isReady(state) || photo === null) return;
  const work = state.work.value;
  await waitFor(
    state,
    "masking",
    async () => {
      const hole = await holeOf(work.mask, photo);
      if (hole.length === 0) throw new EngineError(() => say("complete_no_hole"));
      const piece = whole(hole);
      return bitmapOf(await (reach > 0 ? grow(piece, reach, photo) : shrink(piece, -reach, photo)), "grow");
    },
    (grown) => change(state, masked(work, grown)),
  );
}
