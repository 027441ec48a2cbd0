/** Which sample sheets are shown. */

import type { Sheet, TrainingInFull } from "./answers";

/** The epochs of which any of the trainings has a sheet, rising. */
export function epochsWithSheets(trainings: TrainingInFull[]): number[] {
  const epochs = new Set(trainings.flatMap((training) => training.sheets.map((sheet) => sheet.epoch)));
  return [...epochs].sort((a, b) => a - b);
}

/**
 * The epoch to show: the newest, unless the reader chose an older one that is still there.
 *
 * @param wanted - what the reader chose; null follows the newest
 */
export function epochToShow(epochs: number[], wanted: number | null): number | null {
  return wanted !== null && epochs.includes(wanted) ? wanted : (epochs.at(-1) ?? null);
}

/** What a choice of the reader means from now on: whoever chose the newest follows it. */
export function choiceOf(epochs: number[], epoch: number): number | null {
  return epoch === epochs.at(-1) ? null : epoch;
}

export function sheetOf(training: TrainingInFull, epoch: number): Sheet | undefined {
  return training.sheets.find((sheet) => sheet.epoch === epoch);
}
