/** Lines from click to click, for wires and scratches. */

import type { Corners, Live, Touch } from "./live";
import type { Point } from "./viewport";

/** Shift turns segments to multiples of it. */
const TURN = Math.PI / 4;

/** A line from its first corner on. */
export function startLine({ x, y }: Touch, erases: boolean, radius: number): Omit<Live, "moved"> {
  const points = [x, y, radius]; // of the corners, and then the end of the last segment
  let fixed = points.length;
  const corners: Corners = {
    count: () => fixed / 3,
    last: () => ({ x: points[fixed - 3], y: points[fixed - 2] }),
    add() {
      fixed = points.length;
    },
    remove() {
      fixed = Math.max(0, fixed - 3);
      points.length = fixed;
    },
    step: () => ({ kind: "stroke", erases, points: points.slice(0, fixed) }),
  };
  return {
    step: { kind: "stroke", erases, points },
    extend(to) {
      points.splice(fixed, 3, to.x, to.y, radius);
      return true;
    },
    corners,
  };
}

/** The point of the nearest direction that is horizontal, vertical or diagonal from another one. */
export function straightened(from: Point, to: Point): Point {
  const [x, y] = [to.x - from.x, to.y - from.y];
  const angle = Math.round(Math.atan2(y, x) / TURN) * TURN;
  const [along, down] = [Math.cos(angle), Math.sin(angle)];
  const length = x * along + y * down;
  return { x: from.x + length * along, y: from.y + length * down };
}
