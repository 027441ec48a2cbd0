import { expect, test } from "vitest";
import "./views/browser";
import {
  cloned,
  commit,
  cropped,
  extended,
  type Filled,
  type History,
  jump,
  painted,
  UNTOUCHED,
} from "../src/editor/document";
import { identityOf } from "../src/editor/parking";
import type { Step } from "../src/editor/steps";
import type { Copying } from "../src/engine/engine";
import { numbered, packed, packedStates, partsOf, unpacked, unpackedHistory } from "../src/keeping/packing";
import { randomNumbers } from "./random";

const chance = randomNumbers(7);

function stroke(): Step {
  return { kind: "stroke", erases: chance() < 0.3, points: Array.from({ length: 9 }, () => 300 * chance()) };
}

/** A history of strokes, lassos, rectangles, inversions and fills, with jumps back and forth. */
function someHistory(changes: number): History {
  let history = UNTOUCHED;
  for (let change = 0; change < changes; change++) {
    const { now, past, future } = history;
    const which = Math.floor(9 * chance());
    if (which === 0) history = jump(history, Math.floor(chance() * (past.length + 1 + future.length)));
    else if (which === 1) history = commit(history, { ...now, mask: [], fills: [...now.fills, filled(now.mask)] });
    else if (which === 6) history = commit(history, cloned(now, { ...filled([stroke()]), copying: someCopying() }));
    else if (which === 7) history = commit(history, cropped(now, { left: 1, top: 2, width: change + 1, height: 4 }));
    else if (which === 8) history = commit(history, extended(now, someMargins(change), filled(now.mask)));
    else if (which === 2) history = commit(history, painted(now, { kind: "inversion" }));
    else if (which === 3) history = commit(history, painted(now, { ...stroke(), kind: "lasso" } as Step));
    else history = commit(history, painted(now, stroke()));
  }
  return history;
}

function someMargins(left: number) {
  return { left: left + 1, top: 0, right: 3, bottom: 4 };
}

function someCopying(): Copying {
  return { offset: { x: Math.floor(9 * chance()), y: -4 }, heals: chance() < 0.5 };
}

function filled(mask: readonly Step[]): Filled {
  const rects = [{ left: Math.floor(90 * chance()), top: 0, width: 4, height: 4 }];
  const fill = { rects, patches: [], content: new Blob(["fill"]), notes: [] };
  return { fill, mask, options: { texture: "auto", feather: 0, seed: rects[0].left, weights: "bundled" } };
}

test("any history comes back as it was, with every step and fill written once", async () => {
  for (let round = 0; round < 20; round++) {
    const history = someHistory(40);
    const numbers = numbered(partsOf(history), new Map());
    const kept = new Map();
    for (const part of partsOf(history)) {
      kept.set(numbers.get(identityOf(part)), structuredClone(await packed(part, numbers)));
    }
    expect(kept.size).toBe(numbers.size);
    const states = packedStates(history, numbers);
    const restored = unpackedHistory(states, history.past.length, await unpacked(kept));
    expect(restored).toEqual(history);
    const again = numbered(partsOf(restored), new Map());
    expect(packedStates(restored, again)).toEqual(states);
  }
});

test("parts that are written keep their numbers, new ones get others, and none is the photo's", () => {
  let history = someHistory(10);
  let known = new Map<object, number>();
  for (let round = 0; round < 60; round++) {
    history = commit(history.past.length > 0 && chance() < 0.3 ? jump(history, 0) : history, {
      ...history.now,
      mask: [...history.now.mask, stroke()],
    });
    const numbers = numbered(partsOf(history), known);
    for (const [part, number] of numbers) expect(known.get(part) ?? number).toBe(number);
    expect(new Set(numbers.values()).size).toBe(numbers.size);
    expect(Math.min(...numbers.values())).toBeGreaterThan(0);
    known = numbers;
  }
});
