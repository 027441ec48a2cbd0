/** Answers of `api/trainings`. */

import type { Line } from "../../engine/engine";
import { problemIn, sentence } from "../../problems";
import { say } from "../../texts/texts";

export interface Progress {
  /** The current epoch, from 1. */
  epoch: number;
  /** Number of epochs; fractional when steps or minutes end the run earlier. */
  epochs: number;
  epochs_done: number;
  step: number;
  images_per_second: number;
  seconds_left: number;
}

/** A problem with a file of a training. */
export interface TrainingProblem {
  kind: "no_access" | "no_settings" | "no_log";
  /** Its name in the results folder. */
  file: string;
}

/** A training in one line. */
export interface Training {
  name: string;
  /** Time of the last log entry, in seconds since 1970 by the server's clock. */
  changed: number;
  finished: boolean;
  /** Whether it stopped before its end, and no process trains into its folder. */
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
  /** The ETag. */
  mark: string | null;
  /** The server's time, in seconds since 1970. */
  now: number;
}

/** The server does not answer, or with an error. */
export class NoAnswerError extends Error {
  constructor(readonly line: Line) {
    super(line());
  }
}

const TRAININGS = "api/trainings";
const TIMEOUT_MS = 30_000;

/**
 * Send a request; by ETags, unchanged trainings are not sent again.
 *
 * @returns null when there is no such training
 * @throws NoAnswerError
 */
export async function ask<T>(name = ""): Promise<Answer<T> | null> {
  let answer: Response;
  try {
    answer = await fetch(name ? addressOf(name) : TRAININGS, { signal: AbortSignal.timeout(TIMEOUT_MS) });
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

/** URL of a training; its name may have slashes. */
export function addressOf(name: string): string {
  return `${TRAININGS}/${name.split("/").map(encodeURIComponent).join("/")}`;
}

/** URL of a sample sheet, which changes when the sheet is rewritten. */
export function addressOfSheet(name: string, sheet: Sheet): string {
  return `${addressOf(name)}/sheets/${sheet.epoch}?changed=${sheet.changed}`;
}
