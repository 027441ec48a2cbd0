import { expect, test } from "vitest";
import { changesOf } from "../../src/editor/changes";
import {
  cloned,
  commit,
  cropped,
  extended,
  type Filled,
  filled,
  fillsOf,
  isChanged,
  lastFilled,
  masked,
  painted,
  redo,
  refilled,
  UNTOUCHED,
  undo,
} from "../../src/editor/document";
import type { Step } from "../../src/editor/steps";

const dot: Step = { kind: "stroke", erases: false, points: [5, 5, 2] };
const inversion: Step = { kind: "inversion" };
const fillOf = (seed: number): Filled => ({
  fill: { rects: [{ left: 0, top: 0, width: 1, height: 1 }], patches: [], content: new Blob(), notes: [] },
  mask: [dot],
  options: { texture: "auto", feather: 0, weights: "bundled", seed },
});

test("undo and redo go back and forth over strokes and fills alike", () => {
  const stroked = commit(UNTOUCHED, painted(UNTOUCHED.now, dot));
  const done = commit(stroked, filled(stroked.now, fillOf(0)));
  expect(done.now).toMatchObject({ mask: [], fills: [{ options: { seed: 0 } }] });
  expect(undo(done).now).toEqual({ mask: [dot], fills: [] });
  expect(undo(undo(done)).now).toEqual(UNTOUCHED.now);
  expect(redo(redo(undo(undo(done))))).toEqual(done);
});

test("what is painted while a hole is filled stays marked, and undone with the fill all is marked again", () => {
  const [begun, meanwhile] = [dot, { ...dot, points: [9, 9, 2] }];
  const stroked = commit(UNTOUCHED, painted(UNTOUCHED.now, begun));
  const more = commit(stroked, painted(stroked.now, meanwhile));
  const done = commit(more, filled(more.now, fillOf(0)));
  expect(done.now.mask).toEqual([meanwhile]);
  expect(undo(done).now).toEqual({ mask: [begun, meanwhile], fills: [] });
});

test("a stroke that copies leaves the mask, is no fill to try again, and changes are named by what was done", () => {
  const copying = { offset: { x: 4, y: 0 }, heals: true };
  const marked = painted(filled(UNTOUCHED.now, fillOf(0)), dot);
  const healed = cloned(marked, { ...fillOf(0), copying });
  expect(healed.mask).toEqual([dot]);
  expect([lastFilled(marked)?.options.seed, lastFilled(healed)]).toEqual([0, undefined]);
  const crop = { left: 1, top: 2, width: 3, height: 4 };
  const part = cropped(healed, crop);
  const whole = cropped(filled(part, fillOf(2)), null);
  const history = [healed, part, filled(part, fillOf(2)), whole].reduce(commit, commit(UNTOUCHED, marked));
  expect(filled(part, fillOf(2)).crop).toEqual(crop);
  expect(changesOf(history).slice(2)).toEqual(["stamp_healed", "crop", "complete_fill", "crop"]);
  expect([isChanged(UNTOUCHED.now), isChanged(cropped(UNTOUCHED.now, crop)), isChanged(healed)]).toEqual([
    false,
    true,
    true,
  ]);
});

test("at either end undo and redo change nothing", () => {
  expect(undo(UNTOUCHED)).toBe(UNTOUCHED);
  expect(redo(UNTOUCHED)).toBe(UNTOUCHED);
});

test("what was undone is gone once something else is done", () => {
  const stroked = commit(UNTOUCHED, painted(UNTOUCHED.now, dot));
  const other = commit(undo(stroked), painted(UNTOUCHED.now, inversion));
  expect(redo(other)).toBe(other);
});

test("another try takes the place of the last fill and leaves the mask and earlier fills", () => {
  const first = filled(UNTOUCHED.now, fillOf(0));
  const second = painted(filled(first, fillOf(0)), dot);
  const again = refilled(second, fillOf(1));
  expect(again.fills.map(({ options }) => options.seed)).toEqual([0, 1]);
  expect(again.mask).toEqual([dot]);
  expect(second.fills.map(({ options }) => options.seed)).toEqual([0, 0]);
});

test("a mask that is loaded replaces what was painted", () => {
  expect(masked(painted(UNTOUCHED.now, dot), inversion).mask).toEqual([inversion]);
  expect(masked(painted(UNTOUCHED.now, dot), null).mask).toEqual([]);
});

test("a long afternoon of strokes does not keep every one of them", () => {
  let history = UNTOUCHED;
  for (let stroke = 0; stroke < 1000; stroke++) history = commit(history, painted(history.now, dot));
  expect(history.past.length).toBeLessThan(1000);
  expect(history.now.mask.length).toBe(1000);
});

test("fills move with the photo that is extended, keep their pictures, and undo brings the photo back", () => {
  const margins = { left: 10, top: 20, right: 0, bottom: 0 };
  const before = commit(UNTOUCHED, cropped(filled(UNTOUCHED.now, fillOf(0)), { left: 1, top: 1, width: 5, height: 5 }));
  const done = commit(before, extended(before.now, margins, fillOf(1)));
  expect(done.now).toMatchObject({ mask: [], margins });
  expect(done.now.crop).toBeUndefined();
  const [below, above] = fillsOf(done.now);
  expect(below.rects).toEqual([{ left: 10, top: 20, width: 1, height: 1 }]);
  expect(below.content).toBe(before.now.fills[0].fill.content);
  expect(above.rects).toEqual(fillOf(1).fill.rects);
  expect(fillsOf(done.now)[0]).toBe(below);
  expect(fillsOf(filled(done.now, fillOf(2))).at(-1)?.rects).toEqual(fillOf(2).fill.rects);
  expect(fillsOf(refilled(done.now, fillOf(3))).at(-1)?.rects).toEqual(fillOf(3).fill.rects);
  expect(cropped(done.now, null).margins).toEqual(margins);
  expect(undo(done).now).toBe(before.now);
  expect(changesOf(done).at(-1)).toBe("extend");
});
