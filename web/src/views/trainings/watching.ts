/** What is known of the trainings, and which of them a person watches. */

import { signal } from "@preact/signals";
import { type Answer, ask, type Training, type TrainingInFull } from "./answers";

/** The trainings, the newest first; null before the first answer. */
export const trainings = signal<Training[] | null>(null);

/** Trainings that are watched, each with the number of its colour, which it keeps. */
export type Choice = ReadonlyMap<string, number>;

/** Those that are watched; null before there is any. */
export const chosen = signal<Choice | null>(null);

/** What is known of those. */
export const shown = signal<ReadonlyMap<string, TrainingInFull>>(new Map());

/** The server's clock at the last look, in seconds since 1970. */
export const now = signal(0);

/** Why the last look failed; empty when it did not. */
export const problem = signal("");

/** The mark of the answer that each training is known by; that of the list has no name. */
const marks = new Map<string, string | null>();

/** Ask about the trainings and about those that are watched; says whether there may be more to see later. */
export async function look(): Promise<boolean> {
  try {
    const list = (await ask<Training[]>()) as Answer<Training[]>;
    now.value = list.now;
    if (isNew("", list)) trainings.value = list.content;
    chosen.value = stillThere(chosen.value, list.content);
    const watched = list.content.filter((training) => chosen.value?.has(training.name));
    const known = await Promise.all(watched.map(lookAt));
    // The same objects say that there is nothing to draw anew.
    const after = new Map(known.flatMap((training) => (training ? [[training.name, training] as const] : [])));
    if (!isSame(shown.value, after)) shown.value = after;
    problem.value = "";
    return list.content.length === 0 || list.content.some((training) => !training.finished);
  } catch (error) {
    problem.value = (error as Error).message;
    return true;
  }
}

async function lookAt({ name, changed, finished }: Training): Promise<TrainingInFull | null> {
  const known = shown.value.get(name);
  // One that has ended may have begun anew in the same folder.
  if (known?.finished && finished && known.changed === changed) return known;
  const answer = await ask<TrainingInFull>(name);
  if (answer === null) return null;
  return isNew(name, answer) || !known ? answer.content : known;
}

function isNew(name: string, answer: Answer<unknown>): boolean {
  const before = marks.get(name);
  marks.set(name, answer.mark);
  return answer.mark === null || answer.mark !== before;
}

function isSame<T>(one: ReadonlyMap<string, T>, other: ReadonlyMap<string, T>): boolean {
  return one.size === other.size && [...one].every(([name, value]) => other.get(name) === value);
}

/**
 * Those of the chosen trainings that are still there; when all are gone, the newest.
 *
 * @param chosen - null while nobody has chosen; an empty choice is a choice, too
 */
export function stillThere(chosen: Choice | null, list: Training[]): Choice | null {
  const names = new Set(list.map((training) => training.name));
  const kept = [...(chosen ?? [])].filter(([name]) => names.has(name));
  if (chosen && kept.length === chosen.size) return chosen;
  if (kept.length > 0) return new Map(kept);
  return list[0] ? new Map([[list[0].name, 0]]) : null;
}

/** The chosen trainings with one more, or without one; a new one takes the first colour that is free. */
export function toggled(chosen: Choice | null, name: string): Choice {
  const after = new Map(chosen);
  if (after.delete(name)) return after;
  const taken = new Set(after.values());
  let colour = 0;
  while (taken.has(colour)) colour += 1;
  return after.set(name, colour);
}
