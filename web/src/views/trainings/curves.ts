/** The curves of several trainings for a chart. */

import type { Curve, TrainingInFull } from "./answers";

/** Number of colours in `watch.css`; further lines reuse them. */
export const COLOURS = 8;
/** Dash patterns in pixels; the first line is solid. */
export const DASHES = [[], [6, 4], [2, 3], [10, 3, 2, 3]];

/** One curve of a chart. */
export interface Line {
  label: string;
  /** null for curves of no particular training. */
  colour: number | null;
  dash: number;
  curve: Curve;
}

/** A training that is watched, with the number of its colour. */
export interface Watched {
  colour: number;
  training: TrainingInFull;
}

/** The curves of a loss, one for each training that has logged it. */
export function lossLines(watched: Watched[], loss: string): Line[] {
  return watched.flatMap(({ colour, training }) => {
    const curve = training.losses[loss];
    return curve ? [{ label: training.name, colour, dash: 0, curve }] : [];
  });
}

/**
 * The curves of a score, one for each training and method.
 *
 * One training has a colour per method, its own for the first; several have a colour each, and a dash pattern per method.
 * Baselines with the same scores in all of them are one line.
 */
export function scoreLines(watched: Watched[], score: string): Line[] {
  return methodsOf(watched).flatMap((method, number): Line[] => {
    const lines = watched.flatMap(({ colour, training }) => {
      const curve = training.scores[score]?.[method];
      return curve ? [{ label: `${training.name}: ${method}`, colour, dash: number, curve }] : [];
    });
    if (watched.length === 1) return lines.map((line) => ({ ...line, label: method, colour: line.colour + number }));
    const [first] = lines;
    const values = new Set(lines.flatMap(({ curve }) => curve.values));
    if (!first || lines.length === 1 || values.size > 1) return lines;
    const longest = lines.reduce((one, other) => (lastEpoch([other]) > lastEpoch([one]) ? other : one));
    return [{ ...longest, label: method, colour: null }];
  });
}

/** The methods that are scored, each once. */
export function methodsOf(watched: Watched[]): string[] {
  return namesOf(watched.flatMap(({ training }) => Object.values(training.scores)));
}

/** The distinct keys of several records, in order of appearance. */
export function namesOf(records: Record<string, unknown>[]): string[] {
  return [...new Set(records.flatMap((record) => Object.keys(record)))];
}

/** The curves over common epochs in uPlot's format; null where a curve has no value. */
export function joined(lines: Line[]): [number[], ...(number | null)[][]] {
  const epochs = [...new Set(lines.flatMap((line) => line.curve.epochs))].sort((a, b) => a - b);
  const places = new Map(epochs.map((epoch, place) => [epoch, place]));
  const columns = lines.map(({ curve }) => {
    const column: (number | null)[] = new Array(epochs.length).fill(null);
    curve.epochs.forEach((epoch, index) => {
      column[places.get(epoch) as number] = curve.values[index] as number;
    });
    return column;
  });
  return [epochs, ...columns];
}

/** The value of a curve at an epoch: the last one up to it; null before the first. */
export function valueAt(curve: Curve, epoch: number): number | null {
  let low = 0;
  let high = curve.epochs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((curve.epochs[middle] as number) <= epoch) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? null : (curve.values[low - 1] as number);
}

/** The last epoch that a chart shows. */
export function lastEpoch(lines: Line[]): number {
  return Math.max(...lines.map((line) => line.curve.epochs.at(-1) ?? 0));
}

/** At most `most` rows of a table: evenly spaced epochs up to the last one, with a value for each line. */
export function rowsOf(lines: Line[], most: number): { epoch: number; values: (number | null)[] }[] {
  const [epochs] = joined(lines);
  const count = Math.min(most, epochs.length);
  const places = Array.from({ length: count }, (_, row) => Math.ceil(((row + 1) * epochs.length) / count) - 1);
  return places.map((place) => {
    const epoch = epochs[place] as number;
    return { epoch, values: lines.map((line) => valueAt(line.curve, epoch)) };
  });
}
