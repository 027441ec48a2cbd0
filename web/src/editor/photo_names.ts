/** Photos of the strip by name in messages: which ones, and what of them. */

import type { Line } from "../engine/engine";
import { say } from "../texts/texts";
import type { Entry } from "./album_entries";

/** Photos that are named in a message. */
const MAX_NAMES = 4;

/** Names of photos; of many, the first ones and how many more there are. */
export function namesOf(entries: readonly Entry[]): string {
  const names = entries
    .slice(0, MAX_NAMES)
    .map(({ file }) => file.name)
    .join(", ");
  const count = entries.length - MAX_NAMES;
  return count <= 0 ? names : say("strip_more", { names, count });
}

/** A line about photos, with their names unless it has the name itself. */
export function ofPhotos(entries: readonly Entry[], line: Line): string {
  const text = line();
  return text.includes(entries[0].file.name) ? text : `${namesOf(entries)}: ${text}`;
}

/** Names of failed photos, by why they failed. */
export function failuresOf(failed: readonly Entry[]): string {
  const reasons = new Map<string, Entry[]>();
  for (const entry of failed) {
    const why = entry.failure.value?.() ?? "";
    reasons.set(why, [...(reasons.get(why) ?? []), entry]);
  }
  const lines = [...reasons].map(([why, entries]) => ofPhotos(entries, () => why));
  return say("strip_failures", { lines: lines.join(" ") });
}
