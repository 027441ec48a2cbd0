/** State of the clone and the heal brush. */

import { signal } from "@preact/signals";
import type { Copying, Offset } from "../engine/engine";
import type { Stroke } from "./steps";
import type { Point } from "./viewport";

/** Tools that copy from a source. */
export type StampName = "clone" | "heal";

/** A stroke that was painted, and is being copied. */
export interface Stamp {
  step: Stroke;
  copying: Copying;
  /** Percent of its radius over which it fades out. */
  softness: number;
}

/** Percent of the brush over which strokes fade out at first. */
const SOFTNESS = 50;

export function createStamp() {
  return {
    /** The chosen source, in pixels of the photo; null before one is chosen. */
    source: signal<Point | null>(null),
    /** From the brush to the source, which it keeps from stroke to stroke; null before the first stroke. */
    offset: signal<Offset | null>(null),
    /** Whether the next click chooses the source. */
    choosing: signal(false),
    softness: signal(SOFTNESS),
    /** Strokes that are shown until the engine has copied them. */
    waiting: signal<readonly Stamp[]>([]),
  };
}

export type StampState = ReturnType<typeof createStamp>;

export function isStamp(tool: string): tool is StampName {
  return tool === "clone" || tool === "heal";
}

/** Without a source, for another photo. */
export function resetStamp({ source, offset, choosing, waiting }: StampState): void {
  source.value = null;
  offset.value = null;
  choosing.value = false;
  waiting.value = [];
}

/** Where pixels under a point are copied from; null before a source is chosen. */
export function sourceFor({ source, offset }: StampState, { x, y }: Point): Point | null {
  return offset.value === null ? source.value : { x: x + offset.value.x, y: y + offset.value.y };
}
