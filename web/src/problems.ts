/** Messages for the server's error codes. */

import type { TextKey } from "./texts/english";
import { say } from "./texts/texts";

const TEXTS: Record<string, TextKey> = {
  bad_picture: "server_unreadable",
  not_a_picture: "server_unreadable",
  missing_decoder: "server_missing_decoder",
  too_many_pixels: "server_too_many_pixels",
  body_too_large: "server_too_many_bytes",
  too_many_fills: "server_too_many_fills",
  unknown_weights: "server_no_weights",
  too_much_found: "find_much",
  missing_extra: "find_no_extra",
  busy: "server_busy",
  time_limit: "server_too_slow",
  slow_body: "server_slow_body",
  out_of_memory: "server_out_of_memory",
  internal: "server_internal",
  unauthorized: "server_not_let_in",
  cross_site: "server_not_let_in",
  unknown_host: "server_not_let_in",
};

/** An error in the server's answer. */
export interface Problem {
  /** The error code, or the HTTP status without one. */
  word: string;
  /** Seconds after which to retry; 0 when unknown. */
  seconds: number;
}

export async function problemIn(answer: Response): Promise<Problem> {
  const body = await answer.json().catch(() => null);
  const word = typeof body?.error === "string" ? body.error : String(answer.status);
  return { word, seconds: Number(answer.headers.get("Retry-After")) };
}

/** The message of an error; `values` are limits for its placeholders. */
export function sentence({ word, seconds }: Problem, values: Record<string, number> = {}): string {
  return say(TEXTS[word] ?? "server_refused", { word, seconds, ...values });
}
