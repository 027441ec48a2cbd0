/** A rough lasso that shrinks onto the outline of what it holds. */

import { say } from "../texts/texts";
import { fillsOf, painted } from "./document";
import { fill } from "./filling";
import { bitmapOf, holeOf, whole } from "./raster";
import { announce, change, isReady, type State, waitFor } from "./state";
import { extentOf, type Lasso } from "./steps";

/** Mark the object in a lasso, or all of the lasso where none is found, with a message; or unmark it. */
export async function shrinkLasso(state: State, lasso: Lasso): Promise<void> {
  const photo = state.photo.value;
  const drawn: Lasso = { ...lasso, erases: false };
  if (photo === null || !isReady(state) || extentOf([drawn], photo) === null) return;
  const work = state.work.value;
  await waitFor(
    state,
    "masking",
    async (signal) => {
      const hole = await holeOf([drawn], photo);
      if (hole.length === 0) return null;
      const { rect, mask } = whole(hole);
      const found = await state.engine.outline(photo, fillsOf(work), { rect, mask }, signal);
      return { step: bitmapOf({ rect, mask: found }, "outline", lasso.erases) };
    },
    (outlined) => {
      if (outlined === null) return;
      change(state, painted(work, outlined.step ?? lasso));
      if (outlined.step === null) announce(state, () => say("complete_no_outline"));
      if (state.fillsOnLift.value && !lasso.erases) void fill(state);
    },
  );
}
