/** What is known of the trainings, and which of them a person watches. */

import { signal } from "@preact/signals";
import type { Line } from "../../engine/engine";
import { say } from "../../texts/texts";
import { type Answer, ask, NoAnswerError, type Training, type TrainingInFull } from "./answers";

/** The trainings, the newest first; null before the first answer. */
export const trainings = signal<Training[] | null>(null);

/** Trainings that are watched, each with the number of its colour, which it keeps. */
export type Choice = ReadonlyMap<string, number>;

/** Those that are watched; null before there is any. */
export const chosen = signal<Choice | null>(null);

/** Whether the page chose them: it then goes on to a training that starts later. */
let byThePage = true;

/** Watch a training, or no longer, because a person wants it so. */
export function toggle(name: string): void {
  byThePage = false;
  chosen.value = toggled(chosen.value, name);
}

/** What is known of those. */
export const shown = signal<ReadonlyMap<string, TrainingInFull>>(new Map());

/** The server's clock at the last look, in seconds since 1970. */
export const now = signal(0);

/** Why the last look failed; null when it did not. */
export const problem = signal<Line | null>(null);

/** The mark of the answer that each training is known by; that of the list has no name. */
const marks = new Map<string, string | null>();

/** Ask about the trainings and about those that are watched; says whether there may be more to see later. */
export async function look(): Promise<boolean> {
  try {
    const list = (await ask<Training[]>()) as Answer<Training[]>;
    now.value = list.now;
    const before = trainings.value ?? [];
    if (isNew("", list)) trainings.value = list.content;
    const kept = byThePage && hasStarted(before, list.content) ? null : chosen.value;
    chosen.value = stillThere(kept, list.content);
    const watched = list.content.filter((training) => chosen.value?.has(training.name));
    const known = await Promise.all(watched.map(lookAt));
    // The same objects say that there is nothing to draw anew.
    const after = new Map(known.flatMap((training) => (training ? [[training.name, training] as const] : [])));
    if (!isSame(shown.value, after)) shown.value = after;
    problem.value = null;
    return list.content.length === 0 || !list.content.every(hasEnded);
  } catch (error) {
    problem.value = error instanceof NoAnswerError ? error.line : () => say("watch_no_answer");
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

/** Whether there is nothing more to come of a training, unless it is resumed. */
export function hasEnded({ finished, stopped }: Training): boolean {
  return finished || stopped;
}

/** Whether the newest training that can be read was not there, or could not be read, before. */
export function hasStarted(before: Training[], list: Training[]): boolean {
  const newest = list.find(({ problem }) => problem === null);
  return newest !== undefined && !before.some(({ name, problem }) => name === newest.name && problem === null);
}

/**
 * Those of the chosen trainings that are still there; when all are gone, the newest that can be read.
 *
 * @param chosen - null while nobody has chosen; an empty choice is a choice, too
 */
export function stillThere(chosen: Choice | null, list: Training[]): Choice | null {
  const names = new Set(list.map((training) => training.name));
  const kept = [...(chosen ?? [])].filter(([name]) => names.has(name));
  if (chosen && kept.length === chosen.size) return chosen;
  if (kept.length > 0) return new Map(kept);
  const newest = list.find(({ problem }) => problem === null);
  return newest ? new Map([[newest.name, 0]]) : null;
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
