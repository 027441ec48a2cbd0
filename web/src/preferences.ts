/** The user's preferences, kept in the browser. */

import { effect, type Signal, signal } from "@preact/signals";

/** A signal that is kept in local storage. */
export function stored<T extends string | boolean>(name: string, otherwise: T): Signal<T> {
  const kept = signal<T>(read(name) ?? otherwise);
  effect(() => keep(name, kept.value));
  return kept;
}

/** Store a preference, if the browser allows it. */
export function keep(name: string, value: string | boolean): void {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // storage is disabled; the choice lasts until the page is left
  }
}

/** A stored preference. */
export function read<T>(name: string): T | undefined {
  try {
    return JSON.parse(localStorage.getItem(name) ?? "") as T;
  } catch {
    return undefined; // nothing or something else is stored
  }
}

export type Theme = "system" | "light" | "dark";
export const THEMES: Theme[] = ["system", "light", "dark"];
export const theme = stored<Theme>("onar.theme", "system");

/** Whether single-character shortcuts are on; they disturb speech input. */
export const letterKeys = stored<boolean>("onar.letter_keys", true);

const KEEPS_WORK = "onar.keeps_work";

/** Whether unsaved work is kept in the browser. */
export const keepsWork = stored<boolean>(KEEPS_WORK, true);

/** Follow another tab that switches it. */
export function followOtherTabs(): void {
  window.addEventListener("storage", ({ key }) => {
    if (key === KEEPS_WORK) keepsWork.value = read<boolean>(KEEPS_WORK) ?? true;
  });
}
