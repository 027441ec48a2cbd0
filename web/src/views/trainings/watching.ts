/** The state of the trainings view: the trainings, and which are watched. */

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

/** Whether they are the page's own choice, which switches to a training that starts later. */
let byThePage = true;

/** Toggle a training, by the user's choice. */
export function toggle(name: string): void {
  byThePage = false;
  chosen.value = toggled(chosen.value, name);
}

/** Their details. */
export const shown = signal<ReadonlyMap<string, TrainingInFull>>(new Map());

/** The server's time at the last poll, in seconds since 1970. */
export const now = signal(0);

/** The error of the last poll, or null. */
export const problem = signal<Line | null>(null);

/** ETags of the answers by training; that of the list has an empty name. */
const marks = new Map<string, string | null>();

/** Poll the list and the watched trainings; returns whether more may follow. */
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
    // Identical objects avoid rendering again.
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
  // An ended training may have been restarted in the same folder.
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

/** Whether a training has ended, unless it is resumed. */
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
 * @param chosen - null without a choice; an empty choice is one
 */
export function stillThere(chosen: Choice | null, list: Training[]): Choice | null {
  const names = new Set(list.map((training) => training.name));
  const kept = [...(chosen ?? [])].filter(([name]) => names.has(name));
  if (chosen && kept.length === chosen.size) return chosen;
  if (kept.length > 0) return new Map(kept);
  const newest = list.find(({ problem }) => problem === null);
  return newest ? new Map([[newest.name, 0]]) : null;
}

/** Add or remove a training; a new one takes the first free colour. */
export function toggled(chosen: Choice | null, name: string): Choice {
  const after = new Map(chosen);
  if (after.delete(name)) return after;
  const taken = new Set(after.values());
  let colour = 0;
  while (taken.has(colour)) colour += 1;
  return after.set(name, colour);
}
