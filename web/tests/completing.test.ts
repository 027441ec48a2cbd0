/** What completing promises whatever fills the holes. */

import { describe, expect, test } from "vitest";
import { copyTexture } from "../src/engine/browser/copying";
import { complete } from "../src/engine/browser/inpaint";
import { HOLE } from "../src/engine/browser/pixels";
import type { Tools } from "../src/engine/browser/tools";
import { copyPixels, mix, networks, recorded } from "./stand_ins";

const SHAPE = { height: 1040, width: 140 };
const TOOLS: Tools = {
  network: networks.means,
  trainingSize: 64,
  step: 16,
  blend: mix,
  copyTexture: (task) => copyTexture(task, copyPixels),
};
const UNABORTED = new AbortController().signal;

/** A photo with a pattern, and holes of all depths. */
function example() {
  const photo = new Uint8Array(3 * SHAPE.height * SHAPE.width).map((_, at) => (at * 7919) >> 8);
  const hole = new Uint8Array(SHAPE.height * SHAPE.width);
  for (const [top, left, side] of [
    [0, 0, 3],
    [200, 100, 10],
    [300, 20, 90],
    [900, 80, 40],
  ]) {
    for (let row = top; row < top + side; row++) {
      hole.fill(HOLE, row * SHAPE.width + left, row * SHAPE.width + left + side);
    }
  }
  return { photo, hole };
}

function run(photo: Uint8Array, hole: Uint8Array, tools = TOOLS, texture: "auto" | "network" | "patches" = "auto") {
  return complete(photo, hole, SHAPE, tools, { texture, seed: 0 }, () => {}, UNABORTED);
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((value, at) => value === other[at]);
}

test("what came in is left as it is, and so are known pixels", async () => {
  const { photo, hole } = example();
  const before = { photo: photo.slice(), hole: hole.slice() };
  const completed = await run(photo, hole);
  expect([isSame(photo, before.photo), isSame(hole, before.hole)]).toEqual([true, true]);
  expect(completed.every((value, at) => hole[Math.floor(at / 3)] === HOLE || value === photo[at])).toBe(true);
});

test("pixels under holes do not matter", async () => {
  const { photo, hole } = example();
  const erased = photo.map((value, at) => (hole[Math.floor(at / 3)] === HOLE ? 255 : value));
  expect(isSame(await run(erased, hole), await run(photo, hole))).toBe(true);
});

test("without holes nothing is asked for and nothing changes", async () => {
  const { photo, hole } = example();
  const network = () => Promise.reject(new Error("no hole, no network"));
  expect(isSame(await run(photo, hole.fill(0), { ...TOOLS, network }, "patches"), photo)).toBe(true);
});

describe("a photo", () => {
  const colourful: Tools = { ...TOOLS, network: async (photo) => photo.map((_, at) => ((at * 7919) % 256) / 255) };

  function grey() {
    const { photo, hole } = example();
    photo.forEach((_, at) => {
      if (hole[Math.floor(at / 3)] !== HOLE) photo[at] = photo[at - (at % 3)];
    });
    return { photo, hole };
  }

  /** How far the channels of a pixel are apart at most. */
  function mostColour(photo: Uint8Array): number {
    let most = 0;
    for (let at = 0; at < photo.length; at += 3) {
      const pixel = photo.subarray(at, at + 3);
      most = Math.max(most, Math.max(...pixel) - Math.min(...pixel));
    }
    return most;
  }

  test("that is black and white gets no colour, whatever lies under its holes", async () => {
    const { photo, hole } = grey();
    expect(mostColour(photo)).toBeGreaterThan(50);
    expect(mostColour(await run(photo, hole, colourful, "network"))).toBe(0);
  });

  test("with one coloured pixel gets colours", async () => {
    const { photo, hole } = grey();
    photo[photo.length - 1] = photo[photo.length - 2] ^ 8;
    expect(mostColour(await run(photo, hole, colourful, "network"))).toBeGreaterThan(50);
  });
});

describe("texture", () => {
  const alone = { ...TOOLS, copyTexture: null };

  test("is copied where it can be, unless nobody wants it", async () => {
    const { photo, hole } = example();
    const copied = await run(photo, hole);
    const plain = await run(photo, hole, TOOLS, "network");
    expect(isSame(copied, plain)).toBe(false);
    expect(isSame(copied, await run(photo, hole, TOOLS, "patches"))).toBe(true);
    expect(isSame(plain, await run(photo, hole, alone))).toBe(true);
  });

  test("is refused where it cannot be copied and was asked for", async () => {
    const { photo, hole } = example();
    await expect(run(photo, hole, alone, "patches")).rejects.toThrow("without PatchMatch");
  });
});

test("an aborted work ends with the reason, whatever filled the last window", async () => {
  const { photo, hole } = example();
  const { network: counting, passes: all } = recorded(TOOLS.network);
  await run(photo, hole, { ...TOOLS, network: counting });
  expect(all.length).toBeGreaterThan(2);
  for (const last of all.keys()) {
    const aborted = new AbortController();
    let passes = 0;
    const network: Tools["network"] = (...window) => {
      if (passes++ === last) aborted.abort(new Error("enough"));
      return TOOLS.network(...window);
    };
    const options = { texture: "auto", seed: 0 } as const;
    const work = complete(photo, hole, SHAPE, { ...TOOLS, network }, options, () => {}, aborted.signal);
    await expect(work).rejects.toThrow("enough");
    expect(passes).toBe(last + 1);
  }
});

test("a message that arrives while tiles are filled can abort the work", async () => {
  const shape = { height: 12000, width: 300 }; // takes far longer than the engine works without a pause
  const hole = new Uint8Array(shape.height * shape.width).map((_, pixel) => (pixel % 64 === 0 ? HOLE : 0));
  const network = () => Promise.reject(new Error("holes are thin"));
  const aborted = new AbortController();
  const shares: number[] = [];
  const work = complete(
    new Uint8Array(3 * hole.length),
    hole,
    shape,
    { ...TOOLS, network },
    { texture: "network", seed: 0 },
    (share) => shares.push(share),
    aborted.signal,
  );
  setTimeout(() => aborted.abort(new Error("enough")));
  await expect(work).rejects.toThrow("enough");
  expect(shares.at(-1)).toBeLessThan(1);
});

test("a hole that is not of the photo's size is refused", async () => {
  const { photo, hole } = example();
  await expect(run(photo, hole.subarray(1))).rejects.toThrow(RangeError);
});
