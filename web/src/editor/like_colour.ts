/** Taking a patch of like colour by a click, and again with another tolerance. */

import type { Photo, Rect } from "../engine/engine";
import { innerOf } from "../engine/margins";
import { amend, fillsOf, painted, type Work } from "./document";
import { Likeness } from "./flood";
import type { Touch } from "./live";
import { bitmapOf } from "./raster";
import { change, isReady, type State, waitFor } from "./state";
import { intersection } from "./steps";

/** Side of tiles: where every part of a photo has to be asked for, they are fewer. */
const SIDE = 1024;
const ASKED_SIDE = 2048;

/** In percent; colours that differ more are never alike. */
export const MAX_TOLERANCE = 60;

/** The patch that was taken last. */
export interface Taken {
  likeness: Likeness;
  erases: boolean;
  /** The work before it was taken, and with it. */
  before: Work;
  after: Work;
}

/** Mark the connected pixels of like colour round a point, or unmark them. */
export async function takeColour(state: State, touch: Touch, erases: boolean): Promise<void> {
  const photo = state.photo.value;
  const [x, y] = [Math.floor(touch.x), Math.floor(touch.y)];
  if (photo === null || !isReady(state) || x < 0 || y < 0 || x >= photo.width || y >= photo.height) return;
  const before = state.work.value;
  const side = photo.view.width === innerOf(photo).width ? SIDE : ASKED_SIDE;
  const likeness = new Likeness(photo, { x, y }, (rect) => readSeen(state, photo, before, rect), side);
  await waitFor(
    state,
    "masking",
    (signal) => worked(likeness, before, erases, state.tolerance.value, signal),
    (after) => {
      change(state, after);
      state.taken.value = { likeness, erases, before, after };
    },
  );
}

/** Set the tolerance; the last patch is taken again where nothing was done since. */
export async function setTolerance(state: State, percent: number): Promise<void> {
  state.tolerance.value = Math.min(MAX_TOLERANCE, Math.max(0, Math.round(percent)));
  const { tolerance, taken, work } = state;
  if (isWorking.has(state)) return; // the one that works ends with the last tolerance
  isWorking.add(state);
  try {
    for (let done = -1; done !== tolerance.value && taken.value?.after === work.value && isReady(state); ) {
      done = tolerance.value;
      const patch: Taken = taken.value;
      const after = await worked(patch.likeness, patch.before, patch.erases, done);
      if (taken.value !== patch || patch.after !== work.value || !isReady(state)) break;
      state.history.value = amend(state.history.value, after);
      taken.value = { ...patch, after };
    }
  } catch {
    // A part of the photo could not be read: the patch stays as it is.
  } finally {
    isWorking.delete(state);
  }
}

const isWorking = new WeakSet<State>();

async function worked(
  likeness: Likeness,
  before: Work,
  erases: boolean,
  tolerance: number,
  signal?: AbortSignal,
): Promise<Work> {
  const step = bitmapOf(await likeness.patch(tolerance, signal), "colour", erases);
  return step === null ? before : painted(before, step);
}

/** The pixels of a part of the photo with its fills. */
async function readSeen({ engine }: State, photo: Photo, work: Work, rect: Rect): Promise<Uint8ClampedArray> {
  const part = await engine.part(photo, rect, 1);
  const canvas = new OffscreenCanvas(rect.width, rect.height);
  const context = canvas.getContext("2d", { willReadFrequently: true }) as OffscreenCanvasRenderingContext2D;
  context.drawImage(part, 0, 0);
  part.close();
  for (const { patches } of fillsOf(work)) {
    for (const { rect: own, view } of patches) {
      if (intersection(own, rect) === null) continue;
      context.drawImage(view, own.left - rect.left, own.top - rect.top, own.width, own.height);
    }
  }
  return context.getImageData(0, 0, rect.width, rect.height).data;
}
