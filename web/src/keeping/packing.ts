/** Work as plain values that a database keeps: every step and every fill is a part, which is written once. */

import { type Filled, type History, statesOf, type Work } from "../editor/document";
import { identityOf, type Picture, parkedBitmap, parkedFill, picturesOf, pixelsOf } from "../editor/parking";
import type { Bitmap, Inversion, Lasso, Rectangle, Step, Stroke } from "../editor/steps";
import type { Copying, FillOptions, Margins, Rect } from "../engine/engine";

export type Part = Step | Filled;

/** The number of each part, by its identity; 0 is the photo's own. */
export type Numbers = ReadonlyMap<object, number>;

/** Parts of a state of the history. */
export interface PackedWork {
  mask: number[];
  fills: number[];
  crop?: Rect;
  margins?: Margins;
}

/** A step of points; doubles take less room than a list of numbers. */
type PackedLine = (Omit<Stroke, "points"> | Omit<Lasso, "points">) & { points: Float64Array };
/** A mask of pixels, compressed. */
type PackedBitmap = Omit<Bitmap, "mask" | "image"> & { mask: Blob };

interface PackedFill {
  kind: "filled";
  mask: number[];
  options: FillOptions;
  copying?: Copying;
  margins?: Margins;
  rects: Rect[];
  content: Blob;
  patches: readonly Picture[];
}

export type PackedPart = PackedLine | PackedBitmap | Rectangle | Inversion | PackedFill;

/** All parts of a history, steps before the fills of them. */
export function partsOf(history: History): Set<Part> {
  const states = statesOf(history);
  const fills = new Set(states.flatMap((state) => state.fills));
  return new Set<Part>([...[...states, ...fills].flatMap(({ mask }) => mask), ...fills]);
}

/** The numbers of parts; known ones keep theirs. */
export function numbered(parts: Iterable<Part>, known: Numbers): Map<object, number> {
  let last = Math.max(0, ...known.values());
  const numbers = new Map<object, number>();
  for (const identity of [...parts].map(identityOf)) {
    if (!numbers.has(identity)) numbers.set(identity, known.get(identity) ?? ++last);
  }
  return numbers;
}

/** The states of a history as numbers of parts. */
export function packedStates(history: History, numbers: Numbers): PackedWork[] {
  const each = (parts: readonly Part[]): number[] => parts.map((part) => numbers.get(identityOf(part)) as number);
  return statesOf(history).map((state) => ({ ...state, mask: each(state.mask), fills: each(state.fills) }));
}

export async function packed(part: Part, numbers: Numbers): Promise<PackedPart> {
  if (!("kind" in part)) return packedFill(part, numbers);
  if (part.kind === "stroke" || part.kind === "lasso") return { ...part, points: Float64Array.from(part.points) };
  if (part.kind !== "bitmap") return part;
  const { image: _, ...rest } = part;
  return { ...rest, mask: await pixelsOf(part) };
}

async function packedFill({ fill, mask, ...rest }: Filled, numbers: Numbers): Promise<PackedFill> {
  const { rects, content } = fill;
  const steps = mask.map((step) => numbers.get(identityOf(step)) as number);
  return { kind: "filled", mask: steps, ...rest, rects, content, patches: await picturesOf(fill) };
}

/** Parts by their numbers, parked: without pictures and pixels. */
export async function unpacked(parts: ReadonlyMap<number, PackedPart>): Promise<Map<number, Part>> {
  const steps = new Map<number, Step>();
  for (const [number, part] of parts) if (part.kind !== "filled") steps.set(number, await unpackedStep(part));
  const all = new Map<number, Part>(steps);
  for (const [number, part] of parts) if (part.kind === "filled") all.set(number, await unpackedFill(part, steps));
  return all;
}

/** The history of which these are the states. */
export function unpackedHistory(states: PackedWork[], now: number, parts: ReadonlyMap<number, Part>): History {
  const works = states.map(
    ({ mask, fills, ...rest }): Work => ({
      ...rest,
      mask: mask.map((number) => parts.get(number) as Step),
      fills: fills.map((number) => parts.get(number) as Filled),
    }),
  );
  return { past: works.slice(0, now), now: works[now], future: works.slice(now + 1) };
}

async function unpackedStep(part: Exclude<PackedPart, PackedFill>): Promise<Step> {
  if (part.kind === "stroke" || part.kind === "lasso") return { ...part, points: Array.from(part.points) };
  if (part.kind !== "bitmap") return part;
  const { mask, ...rest } = part;
  return parkedBitmap(rest, await copied(mask));
}

async function unpackedFill(part: PackedFill, steps: ReadonlyMap<number, Step>): Promise<Filled> {
  const { kind: _, rects, content, patches: pictures, mask: numbers, ...rest } = part;
  const patches = await Promise.all(
    pictures.map(async ({ rect, picture }) => ({ rect, picture: await copied(picture) })),
  );
  const fill = parkedFill({ rects, content: await copied(content), notes: [] }, patches);
  return { ...rest, fill, mask: numbers.map((number) => steps.get(number) as Step) };
}

/** A copy in memory, which outlives the record. */
async function copied(content: Blob): Promise<Blob> {
  return new Blob([await content.arrayBuffer()], { type: content.type });
}

/** Bytes that a part takes in about. */
export function sizeOf(part: PackedPart | File): number {
  if (part instanceof File) return part.size;
  if (part.kind === "bitmap") return part.mask.size;
  if (part.kind === "filled") return part.patches.reduce((sum, { picture }) => sum + picture.size, part.content.size);
  return "points" in part ? part.points.byteLength : 0;
}
