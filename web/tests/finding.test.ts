import { expect, test } from "vitest";
import { type DamageNetwork, find } from "../src/engine/browser/finding";
import { Progress } from "../src/engine/browser/progress";
import type { NotedError } from "../src/engine/browser/protocol";
import { decoded, unpack } from "./vectors";

interface Case {
  name: string;
  height: number;
  width: number;
  photo: string;
  alpha: string;
  what: string[];
  sensitivity: number;
  /** Null where it is too much. */
  mask: string | null;
}

interface Vectors {
  thresholds: Record<string, number>;
  cases: Case[];
}

/** Written by `tests/support/find_vectors.py`, if Python runs these tests. */
const file = import.meta.env.VITE_FIND_VECTORS;
const vectors: Vectors | null = file === undefined ? null : (await import(/* @vite-ignore */ file)).default;

/** In the place of the network, as `Edges` in Python. */
const edges: DamageNetwork = async (photo, { height, width }) => {
  const area = height * width;
  const found = new Float32Array(2 * area);
  const put = (at: number, here: number, other: number) => {
    found[at] = Math.min(1, 4 * Math.abs(Math.fround(here - other)));
  };
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      put(at, photo[at], x + 1 < width ? photo[at + 1] : 0);
      put(area + at, photo[2 * area + at], y + 3 < height ? photo[2 * area + at + 3 * width] : 0);
    }
  }
  return found;
};

test.skipIf(vectors === null).each(vectors?.cases ?? [])(
  "$name is that of Python",
  { timeout: 60_000 },
  async (one) => {
    const finder = { network: edges, thresholds: (vectors as Vectors).thresholds };
    const shares: number[] = [];
    const progress = new Progress((share) => shares.push(share), new AbortController().signal);
    const found = await find(await decoded(one), finder, one, progress).catch((error: unknown) => error);
    if (one.mask === null) {
      expect((found as NotedError).note).toEqual({ key: "find_much", values: { share: 20 } });
      return;
    }
    const expected = await unpack(one.mask);
    const mask = found as Uint8Array;
    const differ = expected.reduce((count, level, at) => count + Number(level !== mask[at]), 0);
    expect(differ).toBe(0);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares.at(-1)).toBe(1);
  },
);

test("finding ends between two windows when it is cancelled", async () => {
  const controller = new AbortController();
  let windows = 0;
  const counted: DamageNetwork = (photo, size) => {
    windows++;
    controller.abort(new Error("enough"));
    return edges(photo, size);
  };
  const photo = { height: 700, width: 900, rgba: new Uint8ClampedArray(4 * 700 * 900).fill(255) };
  const progress = new Progress(() => {}, controller.signal);
  const options = { what: ["dust"], sensitivity: 0.5 };
  await expect(find(photo, { network: counted, thresholds: { dust: 0.5 } }, options, progress)).rejects.toThrow(
    "enough",
  );
  expect(windows).toBe(1);
});
