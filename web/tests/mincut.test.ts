import { expect, test } from "vitest";
import { DIRECTIONS, type Grid, minimumCut } from "../src/engine/browser/mincut";
import { randomNumbers } from "./random";

function gridOf(width: number, height: number, random: () => number): Grid {
  const edges = new Float64Array(8 * width * height);
  DIRECTIONS.forEach(([x, y], direction) => {
    for (let node = 0; node < width * height; node++) {
      const [column, row] = [(node % width) + x, Math.floor(node / width) + y];
      const isIn = column >= 0 && row >= 0 && column < width && row < height;
      if (isIn && random() < 0.8) edges[8 * node + direction] = Math.floor(random() * 8);
    }
  });
  const terminals = Float64Array.from({ length: width * height }, () => Math.floor(random() * 21) - 10);
  return { width, height, terminals, edges };
}

/** The capacity of the cut whose side of the source is given. */
function costOf({ width, terminals, edges }: Grid, source: (node: number) => boolean): number {
  let cost = 0;
  terminals.forEach((terminal, node) => {
    cost += source(node) ? Math.max(0, -terminal) : Math.max(0, terminal);
    if (!source(node)) return;
    DIRECTIONS.forEach(([x, y], direction) => {
      const capacity = edges[8 * node + direction];
      if (capacity > 0 && !source(node + y * width + x)) cost += capacity;
    });
  });
  return cost;
}

test.each(Array.from({ length: 20 }, (_, seed) => seed))("no cut of a small grid costs less (%i)", (seed) => {
  const random = randomNumbers(seed);
  const grid = gridOf(1 + Math.floor(random() * 4), 1 + Math.floor(random() * 3), random);
  const nodes = grid.width * grid.height;
  let least = Infinity;
  for (let sides = 0; sides < 2 ** nodes; sides++)
    least = Math.min(
      least,
      costOf(grid, (node) => ((sides >> node) & 1) === 1),
    );
  const cut = minimumCut({ ...grid, edges: grid.edges.slice() });
  expect(costOf(grid, (node) => cut[node] === 1)).toBe(least);
});

/** Capacities that are left once the maximum flow was sent path by path, breadth first (Edmonds and Karp). */
function maximumFlow({ width, terminals, edges }: Grid): number {
  const left = edges.slice();
  const rest = terminals.slice();
  for (let total = 0; ; ) {
    const from = new Map<number, [number, number] | null>();
    const queue = [...rest.keys()].filter((node) => rest[node] > 0);
    for (const node of queue) from.set(node, null);
    let end = -1;
    for (const node of queue) {
      if (rest[node] < 0) end = node;
      if (end >= 0) break;
      DIRECTIONS.forEach(([x, y], direction) => {
        const other = node + y * width + x;
        if (left[8 * node + direction] <= 0 || from.has(other)) return;
        from.set(other, [node, direction]);
        queue.push(other);
      });
    }
    if (end < 0) return total;
    const path: [number, number][] = [];
    let start = end;
    for (let step = from.get(end); step; step = from.get(start)) {
      path.push(step);
      start = step[0];
    }
    const flow = Math.min(rest[start], -rest[end], ...path.map(([node, direction]) => left[8 * node + direction]));
    rest[start] -= flow;
    rest[end] += flow;
    for (const [node, direction] of path) {
      const [x, y] = DIRECTIONS[direction];
      left[8 * node + direction] -= flow;
      left[8 * (node + y * width + x) + 7 - direction] += flow;
    }
    total += flow;
  }
}

test.each([1, 2, 3, 4])("a cut of a larger grid costs as much as can flow through it (%i)", (seed) => {
  const grid = gridOf(17, 13, randomNumbers(100 + seed));
  const cut = minimumCut({ ...grid, edges: grid.edges.slice() });
  expect(costOf(grid, (node) => cut[node] === 1)).toBe(maximumFlow(grid));
});
