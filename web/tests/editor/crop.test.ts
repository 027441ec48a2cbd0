import { expect, test } from "vitest";
import { atRatio, gripAt, movedBy, pulledTo } from "../../src/editor/crop";
import { randomNumbers } from "../random";

const photo = { width: 300, height: 200 };

test("edges and corners are gripped from near, and all of the crop from inside", () => {
  const crop = { left: 50, top: 40, width: 100, height: 80 };
  expect(gripAt(crop, { x: 52, y: 80 }, 5)).toEqual({ x: -1, y: 0 });
  expect(gripAt(crop, { x: 148, y: 122 }, 5)).toEqual({ x: 1, y: 1 });
  expect(gripAt(crop, { x: 100, y: 80 }, 5)).toEqual({ x: 0, y: 0 });
  expect(gripAt(crop, { x: 30, y: 80 }, 5)).toBeNull();
});

test("whatever is pulled to wherever, the crop stays in the photo, in whole pixels and at its ratio", () => {
  const random = randomNumbers(3);
  const any = (most: number): number => Math.floor(random() * (most + 1));
  for (let round = 0; round < 2000; round++) {
    const [left, top] = [any(299), any(199)];
    const crop = { left, top, width: any(300 - left), height: any(200 - top) };
    const ratio = [null, 1, 1.5, 16 / 9, 3 / 4][any(4)];
    const grip = { x: (any(2) - 1) as -1 | 0 | 1, y: (any(2) - 1) as -1 | 0 | 1 };
    const to = { x: any(500) - 100 + random(), y: any(400) - 100 + random() };
    const isAll = grip.x === 0 && grip.y === 0;
    const next = isAll ? movedBy(crop, to.x, to.y, photo) : pulledTo(crop, grip, to, ratio, photo);
    for (const value of Object.values(next)) expect(Number.isInteger(value) && value >= 0).toBe(true);
    expect(next.left + next.width).toBeLessThanOrEqual(photo.width);
    expect(next.top + next.height).toBeLessThanOrEqual(photo.height);
    if (isAll) expect([next.width, next.height]).toEqual([crop.width, crop.height]);
    else if (ratio !== null) expect(Math.abs(next.width - next.height * ratio)).toBeLessThanOrEqual(ratio + 1);
  }
});

test("a ratio takes the largest part in the middle", () => {
  expect(atRatio({ left: 0, top: 0, ...photo }, 1)).toEqual({ left: 50, top: 0, width: 200, height: 200 });
  expect(atRatio({ left: 10, top: 10, width: 90, height: 160 }, 3 / 2)).toEqual({
    left: 10,
    top: 60,
    width: 90,
    height: 60,
  });
});
