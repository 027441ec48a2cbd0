import { expect, test } from "vitest";
import { extentOf, type Step } from "../../src/editor/steps";

const photo = { width: 100, height: 80 };

test("what is marked reaches as far as its strokes, and never out of the photo", () => {
  const stroke: Step = { kind: "stroke", erases: false, points: [10, 10, 3, 30, 12, 5] };
  expect(extentOf([stroke], photo)).toEqual({ left: 7, top: 7, width: 28, height: 10 });
  const outside: Step = { kind: "stroke", erases: false, points: [-5, 90, 20] };
  expect(extentOf([outside], photo)).toEqual({ left: 0, top: 70, width: 15, height: 10 });
});

test("erasing marks nothing, and inverting can mark the whole photo", () => {
  const eraser: Step = { kind: "stroke", erases: true, points: [10, 10, 3] };
  expect(extentOf([eraser], photo)).toBeNull();
  expect(extentOf([eraser, { kind: "inversion" }], photo)).toEqual({ left: 0, top: 0, ...photo });
});

test("a rectangle or lasso of no area marks nothing", () => {
  const rectangle: Step = { kind: "rectangle", erases: false, rect: { left: 5, top: 5, width: 0, height: 9 } };
  expect(extentOf([rectangle, { kind: "lasso", erases: false, points: [50, 50] }], photo)).toBeNull();
});
