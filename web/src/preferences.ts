/** What a person chose once and finds again the next time. */

import { effect, type Signal, signal } from "@preact/signals";

/** A signal that is kept in this browser. */
export function stored<T extends string | boolean>(name: string, otherwise: T): Signal<T> {
  const kept = signal<T>(read(name) ?? otherwise);
  effect(() => keep(name, kept.value));
  return kept;
}

/** Keep something in this browser, as far as it does. */
export function keep(name: string, value: string | boolean): void {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // this browser keeps nothing; what was chosen holds until the page is left
  }
}

/** What was kept under a name. */
export function read<T>(name: string): T | undefined {
  try {
    return JSON.parse(localStorage.getItem(name) ?? "") as T;
  } catch {
    return undefined; // nothing is kept, or by something else
  }
}

export type Theme = "system" | "light" | "dark";
export const THEMES: Theme[] = ["system", "light", "dark"];
export const theme = stored<Theme>("onar.theme", "system");

/** Whether keys of one letter do something; people who speak to their computer switch them off. */
export const letterKeys = stored<boolean>("onar.letter_keys", true);
