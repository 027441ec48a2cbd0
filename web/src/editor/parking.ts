/** The work on a photo that is not shown: pictures of fills as PNG, masks compressed. */

import type { Fill, Patch, Rect } from "../engine/engine";
import { maskBlob, maskOf, pictureBlob } from "./compressed";
import { type Filled, type History, statesOf, UNTOUCHED, type Work } from "./document";
import { bitmapOf } from "./raster";
import type { Bitmap, Step } from "./steps";

/** Work without its pictures and pixels, which lie compressed in memory. */
export interface Parked {
  /** Its fills have no patches, and its bitmaps no pixels. */
  history: History;
  saved: Work;
}

/** A patch as PNG. */
export interface Picture {
  rect: Rect;
  picture: Blob;
}

/** Of live and parked fills and bitmaps alike: none is compressed twice. */
const pictures = new WeakMap<Fill, readonly Picture[]>();
const masks = new WeakMap<Bitmap, Blob>();
/** The identity that a step or a fill shares with its parked and live copies. */
const identities = new WeakMap<Step | Filled, object>();

/** The same object for a step or a fill and its parked and live copies; it holds no pixels. */
export function identityOf(part: Step | Filled): object {
  const identity = identities.get(part) ?? {};
  identities.set(part, identity);
  return identity;
}

/** Compress the work on a photo; the live one stays as it is. */
export async function park(history: History, saved: Work): Promise<Parked> {
  const fills = new Map<Fill, Fill>();
  const bitmaps = new Map<Bitmap, Bitmap>();
  for (const fill of fillsOf([...statesOf(history), saved])) fills.set(fill, await light(fill));
  for (const bitmap of bitmapsOf([...statesOf(history), saved])) bitmaps.set(bitmap, await empty(bitmap));
  return rebuilt({ history, saved }, fills, bitmaps);
}

/** The work again, with pictures and pixels. */
export async function unpark(parked: Parked): Promise<Parked> {
  const states = [...statesOf(parked.history), parked.saved];
  const fills = new Map<Fill, Fill>();
  const bitmaps = new Map<Bitmap, Bitmap>();
  for (const fill of fillsOf(states)) fills.set(fill, await lit(fill));
  for (const bitmap of bitmapsOf(states)) bitmaps.set(bitmap, await full(bitmap));
  return rebuilt(parked, fills, bitmaps);
}

function fillsOf(states: Work[]): Set<Fill> {
  return new Set(states.flatMap(({ fills }) => fills.map(({ fill }) => fill)));
}

function bitmapsOf(states: Work[]): Set<Bitmap> {
  const steps = states.flatMap(({ mask, fills }) => [...mask, ...fills.flatMap((filled) => filled.mask)]);
  return new Set(steps.filter((step): step is Bitmap => step.kind === "bitmap"));
}

/** A history with other fills and bitmaps; what was the same object stays one. */
function rebuilt({ history, saved }: Parked, fills: Map<Fill, Fill>, bitmaps: Map<Bitmap, Bitmap>): Parked {
  const steps = remembered((step: Step) => alike(step.kind === "bitmap" ? (bitmaps.get(step) ?? step) : step, step));
  const filleds = remembered((filled: Filled) =>
    alike({ ...filled, fill: fills.get(filled.fill) ?? filled.fill, mask: filled.mask.map(steps) }, filled),
  );
  const works = remembered((work: Work): Work => {
    return work === UNTOUCHED.now ? work : { ...work, mask: work.mask.map(steps), fills: work.fills.map(filleds) };
  });
  const { past, now, future } = history;
  return { history: { past: past.map(works), now: works(now), future: future.map(works) }, saved: works(saved) };
}

/** A copy with the identity of its original. */
function alike<T extends Step | Filled>(copy: T, original: T): T {
  identities.set(copy, identityOf(original));
  return copy;
}

function remembered<T extends object>(change: (one: T) => T): (one: T) => T {
  const known = new Map<T, T>();
  return (one) => {
    const changed = known.get(one) ?? change(one);
    known.set(one, changed);
    return changed;
  };
}

async function light(fill: Fill): Promise<Fill> {
  return parkedFill(fill, await picturesOf(fill));
}

/** The patches of a live or parked fill as PNG. */
export async function picturesOf(fill: Fill): Promise<readonly Picture[]> {
  const content = pictures.get(fill) ?? (await Promise.all(fill.patches.map(encoded)));
  pictures.set(fill, content);
  return content;
}

/** A parked fill; these are its patches. */
export function parkedFill(fill: Omit<Fill, "patches">, content: readonly Picture[]): Fill {
  const parked = { ...fill, patches: [] };
  pictures.set(parked, content);
  return parked;
}

async function encoded({ rect, view }: Patch): Promise<Picture> {
  return { rect, picture: await pictureBlob(view) };
}

async function lit(fill: Fill): Promise<Fill> {
  const content = pictures.get(fill) ?? [];
  const views = await Promise.all(content.map(({ picture }) => createImageBitmap(picture)));
  const live = { ...fill, patches: content.map(({ rect }, at) => ({ rect, view: views[at] })) };
  pictures.set(live, content);
  return live;
}

async function empty(bitmap: Bitmap): Promise<Bitmap> {
  return parkedBitmap(bitmap, await pixelsOf(bitmap));
}

/** The pixels of a live or parked bitmap, compressed. */
export async function pixelsOf(bitmap: Bitmap): Promise<Blob> {
  const content = masks.get(bitmap) ?? (await maskBlob(bitmap.mask));
  masks.set(bitmap, content);
  return content;
}

/** A parked bitmap; these are its pixels. */
export function parkedBitmap(bitmap: Omit<Bitmap, "mask" | "image">, content: Blob): Bitmap {
  const parked = { ...bitmap, mask: new Uint8Array(0), image: new OffscreenCanvas(1, 1) };
  masks.set(parked, content);
  return parked;
}

async function full(bitmap: Bitmap): Promise<Bitmap> {
  const content = masks.get(bitmap);
  if (content === undefined) return bitmap;
  const mask = await maskOf(content);
  const live = bitmapOf({ rect: bitmap.rect, mask }, bitmap.made, bitmap.erases) ?? bitmap;
  masks.set(live, content);
  return live;
}
