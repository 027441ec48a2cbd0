import { expect, test } from "vitest";
import { nameFor, stemOf } from "../src/engine/naming";

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
