import "./views/browser";
import { afterEach, describe, expect, test } from "vitest";
import shared from "../src/shared.json";
import { english } from "../src/texts/english";
import { LANGUAGES, type Language, nameOf, say, speak, type Translation } from "../src/texts/texts";
import { MASK_TYPES, maskTypeLabel } from "../src/views/mask_samples/settings";

const placeholders = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(String).sort();

/** Names that come from Python and are the same in every language. */
const INTERNATIONAL = ["psnr", "ssim", "l1", "lpips", "st_lpips"];

afterEach(() => speak("en"));

describe.each(Object.entries(LANGUAGES))("language %s", (tag, { name, texts }) => {
  test("it has a name and every text with the values of English", () => {
    expect(name).not.toBe("");
    for (const [key, text] of Object.entries(english)) {
      expect(placeholders(texts[key as keyof typeof english]), key).toEqual(placeholders(text));
    }
  });

  test("it can be chosen", () => {
    speak(tag as Language);
    expect(say("tab_masks")).toBe(texts.tab_masks);
  });

  test("it translates the names that come from Python", () => {
    const names = { ...shared.titles, ...shared.mask_settings.MASK_TYPES };
    const own = Object.keys(texts).filter((key) => key.startsWith("name_"));
    const expected = Object.keys(names).filter((one) => !INTERNATIONAL.includes(one));
    expect(own.map((key) => key.slice("name_".length)).sort()).toEqual(tag === "en" ? [] : expected.sort());
  });
});

test("names that no language translates are shown in English", () => {
  speak("tr");
  expect(nameOf("psnr_hole", "PSNR in holes (dB)")).toBe("Boşluklarda PSNR (dB)");
  expect(nameOf("made_up", "Made up")).toBe("Made up");
  expect(maskTypeLabel("made_up", "a shape")).toBe("made_up: a shape");
});

test("a language that is added can be spoken", () => {
  const languages: Record<string, { name: string; texts: Translation }> = LANGUAGES;
  languages.xx = { name: "Made up", texts: { ...english, tab_masks: "Xx" } as Translation };
  speak("xx" as Language);
  expect(say("tab_masks")).toBe("Xx");
  delete languages.xx;
});

test("the page offers the mask types of Python", () => {
  expect(MASK_TYPES.map(([type, shapes]) => maskTypeLabel(type, shapes))).toContain("mixed: strokes and rectangles");
});
