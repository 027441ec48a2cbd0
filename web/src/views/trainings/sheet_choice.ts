/** Which sample sheets are shown. */

import type { Sheet, TrainingInFull } from "./answers";

/** Epochs with a sheet in any of the trainings, ascending. */
export function epochsWithSheets(trainings: TrainingInFull[]): number[] {
  const epochs = new Set(trainings.flatMap((training) => training.sheets.map((sheet) => sheet.epoch)));
  return [...epochs].sort((a, b) => a - b);
}

/**
 * The epoch to show: the newest, unless the user chose an older one that still exists.
 *
 * @param wanted - the user's choice; null follows the newest
 */
export function epochToShow(epochs: number[], wanted: number | null): number | null {
  return wanted !== null && epochs.includes(wanted) ? wanted : (epochs.at(-1) ?? null);
}

/** The stored choice: choosing the newest means following it. */
export function choiceOf(epochs: number[], epoch: number): number | null {
  return epoch === epochs.at(-1) ? null : epoch;
}

export function sheetOf(training: TrainingInFull, epoch: number): Sheet | undefined {
  return training.sheets.find((sheet) => sheet.epoch === epoch);
}
