/** What the server says of trainings: the answers of `api/trainings`. */

import type { Line } from "../../engine/engine";
import { problemIn, sentence } from "../../problems";
import { say } from "../../texts/texts";

export interface Progress {
  /** Which epoch is being trained, from 1. */
  epoch: number;
  /** How many there will be; a broken number when steps or minutes end the run earlier. */
  epochs: number;
  epochs_done: number;
  step: number;
  images_per_second: number;
  seconds_left: number;
}

/** What is wrong with a file of a training. */
export interface TrainingProblem {
  kind: "no_access" | "no_settings" | "no_log";
  /** Its name in the results folder. */
  file: string;
}

/** A training in one line. */
export interface Training {
  name: string;
  /** When it last logged something, in seconds since 1970 by the server's clock. */
  changed: number;
  finished: boolean;
  /** Whether it was ended before that, and nothing trains into its folder any more. */
  stopped: boolean;
  /** null before the first step is logged. */
  progress: Progress | null;
  /** Why its files cannot be read. */
  problem: TrainingProblem | null;
}

/** Two lists of the same length; the epochs rise. */
export interface Curve {
  epochs: number[];
  values: number[];
}

export interface Sheet {
  epoch: number;
  changed: number;
}

export interface TrainingInFull extends Training {
  losses: Record<string, Curve>;
  scores: Record<string, Record<string, Curve>>;
  sheets: Sheet[];
}

/** An answer. */
export interface Answer<T> {
  content: T;
  /** The same for the same content. */
  mark: string | null;
  /** What the server's clock showed, in seconds since 1970. */
  now: number;
}

/** The server does not answer, or with an error. */
export class NoAnswerError extends Error {
  constructor(readonly line: Line) {
    super(line());
  }
}

const TRAININGS = "api/trainings";
const LONGEST_MS = 30_000;

/**
 * Ask the server; the browser sends along what it has, and a training in which nothing changed is not sent again.
 *
 * @returns null when there is no such training
 * @throws NoAnswerError
 */
export async function ask<T>(name = ""): Promise<Answer<T> | null> {
  let answer: Response;
  try {
    answer = await fetch(name ? addressOf(name) : TRAININGS, { signal: AbortSignal.timeout(LONGEST_MS) });
  } catch {
    throw new NoAnswerError(() => say("watch_no_answer"));
  }
  if (answer.status === 404 && name) return null;
  if (!answer.ok) {
    const problem = await problemIn(answer);
    throw new NoAnswerError(() => sentence(problem));
  }
  const date = Date.parse(answer.headers.get("date") ?? "");
  return {
    content: await answer.json(),
    mark: answer.headers.get("etag"),
    now: (Number.isNaN(date) ? Date.now() : date) / 1000,
  };
}

/** Where a training is told of; its name may have slashes. */
export function addressOf(name: string): string {
  return `${TRAININGS}/${name.split("/").map(encodeURIComponent).join("/")}`;
}

/** Where a sample sheet is; one that was written anew has another address. */
export function addressOfSheet(name: string, sheet: Sheet): string {
  return `${addressOf(name)}/sheets/${sheet.epoch}?changed=${sheet.changed}`;
}
