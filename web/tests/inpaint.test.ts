import { describe, expect, test } from "vitest";
import { Box } from "../src/engine/browser/box";
import { copyTexture } from "../src/engine/browser/copying";
import { complete } from "../src/engine/browser/inpaint";
import type { Window } from "../src/engine/browser/joining";
import { HOLE, type Holes } from "../src/engine/browser/pixels";
import * as rules from "../src/engine/browser/rules";
import { planTexture } from "../src/engine/browser/texture";
import type { Tools } from "../src/engine/browser/tools";
import { Planner } from "../src/engine/browser/window_plan";
import { coresDeeperThan, deeperThan, findGroups } from "../src/engine/browser/windows";
import { copyPixels, mix, networks, recorded } from "./stand_ins";
import { areKept, type Case, readVectors } from "./vectors";

const vectors = await readVectors();

async function completed(one: Case) {
  const { network, passes } = recorded(networks[one.network]);
  const tools: Tools = {
    network,
    trainingSize: one.training_size,
    step: one.step,
    blend: mix,
    copyTexture: (task) => copyTexture(task, copyPixels),
  };
  const texture = one.seed === null ? "network" : "patches";
  const shares: number[] = [];
  const photo = await complete(
    one.photo.data,
    one.hole.data,
    one.photo,
    tools,
    { texture, seed: one.seed ?? 0, feather: one.feather },
    (share) => shares.push(share),
    new AbortController().signal,
  );
  return { photo, passes, shares };
}

function countOf(holes: Holes): number {
  return holes.data.reduce((count, value) => count + (value === HOLE ? 1 : 0), 0);
}

function corners({ top, left, bottom, right }: Box): number[] {
  return [top, left, bottom, right];
}

function numbers(windows: Window[]): number[][] {
  return windows.map(({ core, shown }) => [...corners(core), ...corners(shown)]);
}

test("the rule is that of Python", () => {
  for (const [depth, size, [margin, minSide]] of vectors.rules.contexts) {
    expect(rules.context(depth, size)).toEqual({ margin, minSide });
  }
  for (const [size, maxSide, maxDepth, band] of vectors.rules.sizes) {
    expect([rules.maxSide(size), rules.maxDepth(size), rules.band(size)]).toEqual([maxSide, maxDepth, band]);
  }
  for (const [depth, share, radius] of vectors.rules.patch_radius) {
    expect(rules.patchRadius(depth, share)).toBe(radius);
  }
  for (const [depth, side, margin] of vectors.rules.texture_margins) {
    expect(rules.textureMargin(depth, side)).toBe(margin);
  }
  for (const [depth, side] of vectors.rules.texture_sides) expect(rules.maxTextureSide(depth)).toBe(side);
});

describe.each(vectors.cases)("$name", { timeout: 60_000 }, (one) => {
  test("holes are as deep as Python finds them", () => {
    for (const [depth, pixels, whole] of one.depths) {
      expect(countOf(coresDeeperThan(one.hole, depth))).toBe(pixels);
      expect(countOf(deeperThan(one.hole, depth))).toBe(whole);
    }
  });

  test("groups and windows are those of Python", () => {
    const planner = new Planner(Box.of(one.hole), one.training_size, one.step);
    expect([1, 7, 32].map((block) => findGroups(one.hole, block).map(corners))).toEqual(one.groups);
    expect(planner.plan(one.hole).map(numbers)).toEqual(one.plan);
    expect(numbers(planner.planDeep(deeperThan(one.hole, rules.maxDepth(one.training_size))))).toEqual(one.plan_deep);
    expect(planTexture(deeperThan(one.hole, rules.SMALL)).map(numbers)).toEqual(one.plan_texture);
  });

  test("the completed photo is Python's, known pixels are the photo's own, and progress ends at 1", async () => {
    const { photo, passes, shares } = await completed(one);
    expect(passes).toEqual(one.passes);
    let changed = 0;
    const apart = [0, 0, 0]; // how many values of holes differ by at least so many levels
    for (let pixel = 0, at = 0; pixel < one.hole.data.length; pixel++) {
      const isHole = one.hole.data[pixel] === HOLE;
      for (let channel = 3 * pixel; channel < 3 * pixel + 3; channel++) {
        if (!isHole && photo[channel] !== one.photo.data[channel]) changed++;
        if (!isHole) continue;
        const levels = Math.abs(photo[channel] - one.completed[at++]);
        for (let least = 1; least <= Math.min(levels, 3); least++) apart[least - 1]++;
      }
    }
    expect(changed).toBe(0);
    // What is rounded differently is enlarged, and filled on from in the windows of later turns: in a few random cases.
    expect(apart[1]).toBeLessThanOrEqual(areKept ? 0 : 0.01 * one.completed.length);
    expect(apart[2]).toBe(0);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares.at(-1)).toBe(1);
  });
});
