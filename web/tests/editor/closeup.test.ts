import { expect, test } from "vitest";
import { type Closeup, wantedOf } from "../../src/editor/closeup";
import type { Photo } from "../../src/engine/engine";
import { NO_MARGINS } from "../../src/engine/margins";

const photo = { width: 6000, height: 4000, margins: NO_MARGINS, view: { width: 2560, height: 1707 } } as Photo;
const frame = { width: 1200, height: 800, insets: { top: 0, right: 0, bottom: 0, left: 0 } };
const at = (scale: number, left = -200, top = -200) => ({ scale, left, top });

test("nothing is asked for where the view has as many pixels as the screen", () => {
  expect(wantedOf(photo, at(0.2, 0, 0), frame, 1, null)).toBeNull();
  expect(wantedOf(photo, at(0.4), frame, 1, null)).toBeNull();
  const small = { width: 300, height: 200, margins: NO_MARGINS, view: { width: 300, height: 200 } } as Photo;
  expect(wantedOf(small, at(8), frame, 2, null)).toBeNull();
});

test.each([
  [1, 1, 1],
  [4, 1, 1],
  [0.45, 1, 2],
  [0.25, 2, 2],
])(
  "at a scale of %f on a screen of ratio %f, one of %i pixels a side is shown of what is seen",
  (scale, ratio, reduction) => {
    const wanted = wantedOf(photo, at(scale), frame, ratio, null);
    expect(wanted?.reduction).toBe(reduction);
    const { left, top, width, height } = wanted?.rect ?? { left: 0, top: 0, width: 0, height: 0 };
    expect(left).toBeLessThanOrEqual(200 / scale);
    expect(left + width).toBeGreaterThanOrEqual(Math.min(6000, 1400 / scale));
    expect(top + height).toBeGreaterThanOrEqual(Math.min(4000, 1000 / scale));
    expect((width * height) / reduction ** 2).toBeLessThan(10 * 1200 * 800 * ratio ** 2); // memory: of the screen
  },
);

test("a close-up that shows all that is seen is asked for once", () => {
  const wanted = wantedOf(photo, at(1), frame, 1, null) as { rect: Closeup["rect"]; reduction: number };
  const present = { photo, ...wanted, view: {} as ImageBitmap };
  expect(wantedOf(photo, at(1, -300, -100), frame, 1, present)).toBeNull();
  expect(wantedOf(photo, at(1, -3000, -900), frame, 1, present)).not.toBeNull();
  expect(wantedOf({ ...photo }, at(1), frame, 1, present)).not.toBeNull();
});
