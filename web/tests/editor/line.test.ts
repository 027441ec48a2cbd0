import { expect, test } from "vitest";
import { straightened } from "../../src/editor/line";

test("a straightened segment goes in one of eight directions, and to the nearest point there", () => {
  expect(straightened({ x: 10, y: 10 }, { x: 50, y: 13 })).toEqual({ x: 50, y: 10 });
  const { x, y } = straightened({ x: 0, y: 0 }, { x: -30, y: 34 });
  expect([x, y]).toEqual([expect.closeTo(-32), expect.closeTo(32)]);
  const up = straightened({ x: 5, y: 5 }, { x: 6, y: -20 });
  expect([up.x, up.y]).toEqual([expect.closeTo(5), expect.closeTo(-20)]);
});
