/** The progress of a training in words. */

import type { TextKey } from "../../texts/english";
import { language, say } from "../../texts/texts";
import type { Training } from "./answers";

/** Age in seconds of the last log entry from which the remaining time is hidden. */
const SILENT = 15 * 60;

/** A number with `count` significant digits, in the notation of the language. */
export function digits(value: number | null, count = 4): string {
  return value === null ? "–" : value.toLocaleString(language.value, { maximumSignificantDigits: count });
}

/** An epoch, which may be fractional. */
export function epochs(value: number): string {
  return value.toLocaleString(language.value, { maximumFractionDigits: 2 });
}

/** The progress of a training in one line; `now` is the server's time in seconds. */
export function progressLine(training: Training, now: number): string {
  const { progress, problem } = training;
  if (problem !== null) return say(`watch_${problem.kind}`, { file: problem.file });
  if (progress === null) return say(withoutProgress(training));
  const parts = [
    say("watch_progress", { epoch: progress.epoch, epochs: Math.ceil(progress.epochs), step: progress.step }),
    say("watch_speed", { speed: progress.images_per_second }),
  ];
  if (training.finished) parts.push(say("watch_finished"));
  else {
    if (training.stopped) parts.push(say("watch_stopped"));
    else if (now - training.changed < SILENT) {
      parts.push(say("watch_time_left", { time: duration(progress.seconds_left) }));
    }
    parts.push(say("watch_last_logged", { time: duration(now - training.changed) }));
  }
  return parts.join(" · ");
}

function withoutProgress({ finished, stopped }: Training): TextKey {
  if (finished) return "watch_finished";
  return stopped ? "watch_stopped" : "watch_starting";
}

/** A duration in the largest unit of which there are at least two. */
export function duration(seconds: number): string {
  const whole = Math.max(0, seconds);
  if (whole >= 2 * 3600) return say("watch_hours", { number: Math.round(whole / 3600) });
  if (whole >= 2 * 60) return say("watch_minutes", { number: Math.round(whole / 60) });
  return say("watch_seconds", { number: Math.round(whole) });
}
