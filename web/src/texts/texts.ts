/** The texts of the page in the browser's language, or another one that the user chooses. */

import { signal } from "@preact/signals";
import { keep, read } from "../preferences";
import { english, type TextKey } from "./english";
import { turkish } from "./turkish";

/** Texts of a language: all of English, and `name_…` for names that come from Python, such as titles of scores. */
export type Translation = Record<TextKey, string> & { [name: `name_${string}`]: string };

/** All languages: by tag, the name in the language itself and its texts. */
export const LANGUAGES = {
  en: { name: "English", texts: english as Translation },
  tr: { name: "Türkçe", texts: turkish },
};
const STORED = "onar.language";

export type Language = keyof typeof LANGUAGES;

/** The language of the page; components that call `say` follow it. */
export const language = signal<Language>(firstLanguage());

/** A text in the language of the page; `{name}` is replaced by a value. */
export function say(key: TextKey, values: Record<string, string | number> = {}): string {
  return LANGUAGES[language.value].texts[key].replace(/\{(\w+)\}/g, (_, name: string) => show(values[name]));
}

/** A name that comes from Python, in the language of the page where it is translated. */
export function nameOf(name: string, english: string): string {
  return LANGUAGES[language.value].texts[`name_${name}`] ?? english;
}

/** Switch to another language, and remember it. */
export function speak(chosen: Language): void {
  language.value = chosen;
  keep(STORED, chosen);
}

/** A number in the notation of the language. */
export function show(value: string | number | undefined): string {
  if (typeof value !== "number") return value ?? "";
  return value.toLocaleString(language.value, { maximumFractionDigits: 1 });
}

function firstLanguage(): Language {
  const wanted = [read<string>(STORED), ...navigator.languages].map((tag) => tag?.split("-")[0]);
  return wanted.find((tag): tag is Language => tag !== undefined && tag in LANGUAGES) ?? "en";
}
