import { expect, test } from "vitest";
import "../views/browser";
import { createState } from "../../src/editor/state";
import { waysOf } from "../../src/editor/trying";
import type { Engine } from "../../src/engine/engine";
import type { BrowserSite, WeightsChoice } from "../../src/site";

function waysWith(kinds: string[], copies: boolean) {
  const weights = kinds.map(
    (kind, at): WeightsChoice => ({ name: `${kind}${at}`, default: at === 0, kind, licence: null }),
  );
  const state = createState({ copies, weights, finds: [] } as unknown as BrowserSite, {} as Engine);
  return waysOf(state, 5);
}

test.each([
  [["bundled"], true],
  [["bundled", "pyramid"], true],
  [["bundled", "lama"], true],
  [["bundled", "lama", "migan", "trained"], true],
  [["bundled"], false],
  [["lama", "migan", "pyramid"], false],
])("no two of the ways with %j and copies %s are the same, and there are at most three", (kinds, copies) => {
  const ways = waysWith(kinds, copies);
  expect(new Set(ways.map((way) => JSON.stringify(way))).size).toBe(ways.length);
  expect(ways.length).toBe(copies ? 3 : kinds.filter((kind) => kind !== "pyramid").length);
  expect(ways.length).toBeLessThanOrEqual(3);
});

test("other weights are among the ways, but not smooth colours without a network", () => {
  expect(waysWith(["bundled", "pyramid", "lama"], true).map(({ weights }) => weights)).toEqual([
    "bundled0",
    "bundled0",
    "lama2",
  ]);
});
