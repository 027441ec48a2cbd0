import { expect, test } from "vitest";
import { nameFor, numbered, stemOf } from "../src/engine/naming";

test("a written photo keeps its name, and its ending where that fits", () => {
  expect(nameFor("Ağaç.JPEG", "image/jpeg", ".jpg")).toBe("Ağaç_completed.JPEG");
  expect(nameFor("scan.tiff", "image/png", ".png")).toBe("scan_completed.png");
  expect(nameFor("photo", "image/jpeg", ".jpg")).toBe("photo_completed.jpg");
});

test("a date at the end of a name is no ending", () => {
  expect(nameFor("Tutanak 12.03.1954", "image/jpeg", ".jpg")).toBe("Tutanak 12.03.1954_completed.jpg");
  expect(stemOf("Tutanak 12.03.1954")).toBe("Tutanak 12.03.1954");
  expect(stemOf("Tutanak 12.03.1954.tif")).toBe("Tutanak 12.03.1954");
});

test("who completes a photo once more gets a number, and not the same word again", () => {
  const again = (name: string): string => nameFor(name, "image/png", ".png");
  expect(again("a_completed.png")).toBe("a_completed_2.png");
  expect(again(again("a_completed.png"))).toBe("a_completed_3.png");
  expect(again("a_completed (1).png")).toBe("a_completed_2.png");
  expect(again("completed.png")).toBe("completed_completed.png");
});

test("a name that is taken gets the next free number", async () => {
  const taken = new Set(["a_completed.png", "a_completed_2.png", "b.tif"]);
  const free = (name: string): Promise<string> => numbered(name, async (one) => taken.has(one));
  expect(await Promise.all(["a_completed.png", "b.tif", "c.png"].map(free))).toEqual([
    "a_completed_3.png",
    "b_completed.tif",
    "c.png",
  ]);
});
