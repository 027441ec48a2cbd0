/** The changes to a photo, in words. */

import type { Copying } from "../engine/engine";
import { writtenMargins } from "../engine/margins";
import type { TextKey } from "../texts/english";
import { type History, marginsOf, statesOf, type Work } from "./document";
import type { Maker, Step } from "./steps";

const MADE: Record<Maker, TextKey> = {
  file: "complete_load_mask_label",
  grow: "complete_grown",
  outline: "complete_outlined",
  colour: "complete_taken",
  found: "find",
};

/** The change that led to each state of a history, from the oldest on, which is the photo as it was opened. */
export function changesOf(history: History): TextKey[] {
  const states = statesOf(history);
  return states.map((state, at) => (at === 0 ? "complete_opened_state" : changeOf(states[at - 1], state)));
}

function changeOf(before: Work, after: Work): TextKey {
  if (writtenMargins(marginsOf(after)) !== writtenMargins(marginsOf(before))) return "extend";
  if (after.crop !== before.crop) return "crop";
  if (after.fills.length > before.fills.length) return namedFill(after.fills.at(-1)?.copying);
  if (after.fills.at(-1) !== before.fills.at(-1)) return "complete_again";
  const last = after.mask.at(-1);
  return last === undefined ? "complete_clear_label" : nameOf(last);
}

function namedFill(copying: Copying | undefined): TextKey {
  if (copying === undefined) return "complete_fill";
  return copying.heals ? "stamp_healed" : "stamp_cloned";
}

function nameOf(step: Step): TextKey {
  if (step.kind === "inversion") return "complete_invert_label";
  if (step.erases) return "complete_eraser";
  if (step.kind === "bitmap") return MADE[step.made];
  return step.kind === "stroke" ? "complete_brush" : `complete_${step.kind}`;
}
