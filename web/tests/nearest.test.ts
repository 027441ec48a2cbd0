import { expect, test } from "vitest";
import { distance, FAR, Nearest } from "../src/engine/browser/nearest";

const LENGTH = 27;

/** Descriptors of few levels, so that many are equally near. */
function descriptors(count: number, levels: number, seed: number): Uint8Array {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const rows = Uint8Array.from({ length: LENGTH * count }, () => Math.floor(levels * next()));
  for (let row = 1; row < count; row += 3) rows.copyWithin(LENGTH * row, 0, LENGTH); // the same as the first
  return rows;
}

test.each([
  [1, 2],
  [40, 2],
  [300, 4],
  [300, 256],
])("of %i descriptors of %i levels, the nearest one is found, the first of equal ones", (count, levels) => {
  const offered = descriptors(count, levels, 7);
  const nearest = new Nearest(offered);
  const wanted = descriptors(60, levels, 8);
  wanted.set(offered.subarray(LENGTH * (count - 1)), 0); // at distance 0
  let guess = 0;
  for (let at = 0; at < wanted.length; at += LENGTH) {
    const costs = Array.from({ length: count }, (_, row) => distance(wanted, at, offered, LENGTH * row, FAR));
    const cost = Math.min(...costs);
    const found = nearest.find(wanted, at, guess);
    expect([found.row, found.cost]).toEqual([costs.indexOf(cost), cost]);
    guess = found.place;
  }
});
