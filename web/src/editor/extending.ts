/** Extending a photo by margins, which are filled in the same step. */

import type { Margins } from "../engine/engine";
import { extendedTo, hasMargins, NO_MARGINS, rectsOf, sumOf } from "../engine/margins";
import shared from "../shared.json";
import { say } from "../texts/texts";
import { extended, fillsOf } from "./document";
import { fillHole } from "./filling";
import { newPercent } from "./margins";
import { isReady, type Outcome, optionsOf, type State } from "./state";
import { type Size, type Step, shifted } from "./steps";

/** Percent of new pixels above which most of a result is made up. */
export const MUCH = 100 * shared.extending.MUCH;

/** Whether the fill button extends the photo. */
export function extendsPhoto({ tool, margins }: State): boolean {
  return tool.value === "extend" && hasMargins(margins.value);
}

/** Extend the photo by the margins that were chosen, and fill them, and what is marked. */
export async function extendPhoto(state: State): Promise<Outcome> {
  const [photo, added] = [state.photo.value, state.margins.value];
  if (photo === null || !isReady(state)) return "failed";
  const work = state.work.value;
  const margins = sumOf(photo.margins, added);
  const mask = [...work.mask.map((step) => shifted(step, added.left, added.top)), ...framedBy(added, photo)];
  const options = optionsOf(state, state.seed.value);
  const percent = newPercent(state, added);
  return fillHole(state, {
    what: "extending",
    photo: extendedTo(photo, margins),
    earlier: fillsOf({ ...work, margins }),
    mask,
    options,
    remarks: () => (percent > MUCH ? [() => say("extend_much", { percent })] : []),
    after(now, fill) {
      state.margins.value = NO_MARGINS;
      return extended(now, margins, { fill, mask, options });
    },
  });
}

/** Marks of the margins round a photo. */
function framedBy(margins: Margins, photo: Size): Step[] {
  return rectsOf(margins, photo).map((rect) => ({ kind: "rectangle", erases: false, rect }));
}
