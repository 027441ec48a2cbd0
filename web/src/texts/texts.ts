/** Every sentence of the page, in every language: by the browser's language, or by choice. */

import { signal } from "@preact/signals";
import { keep, read } from "../preferences";
import { english, type TextKey } from "./english";
import { turkish } from "./turkish";

const LANGUAGES = { en: english, tr: turkish };
const STORED = "onar.language";

export type Language = keyof typeof LANGUAGES;

/** The language that is spoken; what is drawn with `say` follows it. */
export const language = signal<Language>(firstLanguage());

/** A sentence in the language of the page; `{name}` stands for a value. */
export function say(key: TextKey, values: Record<string, string | number> = {}): string {
  return LANGUAGES[language.value][key].replace(/\{(\w+)\}/g, (_, name: string) => show(values[name]));
}

/** Speak another language, now and the next time. */
export function speak(chosen: Language): void {
  language.value = chosen;
  keep(STORED, chosen);
}

/** A number as the reader writes it. */
export function show(value: string | number | undefined): string {
  if (typeof value !== "number") return value ?? "";
  return value.toLocaleString(language.value, { maximumFractionDigits: 1 });
}

function firstLanguage(): Language {
  const wanted = [read<string>(STORED), ...navigator.languages].map((tag) => tag?.split("-")[0]);
  return wanted.find((tag): tag is Language => tag !== undefined && tag in LANGUAGES) ?? "en";
}
