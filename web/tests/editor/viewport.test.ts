import { expect, test } from "vitest";
import { fitted, moved, showing, toPhoto, toScreen, zoomed } from "../../src/editor/viewport";

const photo = { width: 6000, height: 4000 };
const frame = { width: 1200, height: 700, insets: { top: 10, right: 70, bottom: 90, left: 10 } };

test("a photo that fits lies in the middle of what is free", () => {
  const view = fitted(photo, frame);
  const first = toScreen(view, { x: 0, y: 0 });
  const last = toScreen(view, { x: photo.width, y: photo.height });
  expect(first.y).toBeCloseTo(10);
  expect(last.y).toBeCloseTo(610);
  expect(first.x - 10).toBeCloseTo(1130 - last.x);
});

test("what is under the pointer stays under it while zooming", () => {
  let view = fitted(photo, frame);
  const at = { x: 500, y: 300 };
  const under = toPhoto(view, at);
  for (let turn = 0; turn < 10; turn++) view = zoomed(view, 1.3, at, photo, frame);
  expect(toPhoto(view, at).x).toBeCloseTo(under.x);
  expect(toPhoto(view, at).y).toBeCloseTo(under.y);
});

test("neither zooming nor moving loses the photo", () => {
  const view = fitted(photo, frame);
  const far = moved(view, { x: 1e6, y: -1e6 }, photo, frame);
  const centre = toPhoto(far, { x: 570, y: 310 });
  expect(centre.x).toBeGreaterThanOrEqual(0);
  expect(centre.y).toBeLessThanOrEqual(photo.height);
  expect(zoomed(view, 1e9, { x: 0, y: 0 }, photo, frame).scale).toBe(32);
  expect(zoomed(view, 1e-9, { x: 0, y: 0 }, photo, frame).scale).toBeCloseTo(view.scale / 2);
});

test("a cursor that leaves what is seen takes the photo along", () => {
  const near = zoomed(fitted(photo, frame), 20, { x: 600, y: 350 }, photo, frame);
  const cursor = toPhoto(near, { x: 1199, y: 350 });
  const at = toScreen(showing(near, cursor, photo, frame), cursor);
  expect(at.x).toBeLessThan(frame.width - frame.insets.right);
  expect(at.y).toBeCloseTo(350);
});
