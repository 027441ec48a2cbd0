import { expect, test } from "vitest";
import { faded } from "../../src/editor/fading";

const photo = { width: 40, height: 30 };

/** A mask of a rectangle, 255 where `isMarked`. */
function maskOf(width: number, height: number, isMarked: (x: number, y: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: width * height }, (_, at) =>
    isMarked(at % width, Math.floor(at / width)) ? 255 : 0,
  );
}

test("strengths grow from the edge inwards, and reach all of 255", async () => {
  const disc = maskOf(21, 21, (x, y) => Math.hypot(x - 10, y - 10) <= 10);
  const strengths = await faded(disc, { left: 5, top: 5, width: 21, height: 21 }, 6, photo);
  const row = strengths.subarray(10 * 21, 11 * 21);
  for (let x = 1; x <= 10; x++) expect(row[x]).toBeGreaterThanOrEqual(row[x - 1]);
  expect([row[0] > 0, row[0] < 60, row[10]]).toEqual([true, true, 255]);
  expect(Array.from(row)).toEqual(Array.from(row).reverse());
  for (let at = 0; at < disc.length; at++) expect(strengths[at] > 0).toBe(disc[at] > 0);
});

test("at the edge of the photo a stroke does not fade out", async () => {
  const all = maskOf(40, 10, () => true);
  const strengths = await faded(all, { left: 0, top: 0, width: 40, height: 10 }, 4, photo);
  expect(Array.from(strengths.subarray(0, 40))).toEqual(new Array(40).fill(255));
  expect(strengths[9 * 40 + 20]).toBeLessThan(60);
  const corner = await faded(
    maskOf(8, 8, () => true),
    { left: 32, top: 22, width: 8, height: 8 },
    3,
    photo,
  );
  expect([corner[63], corner[7] < 60, corner[56] < 60]).toEqual([255, true, true]);
});
