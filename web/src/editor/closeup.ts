/** The visible part of a photo in the resolution of the screen; the view has fewer pixels. */

import { effect } from "@preact/signals";
import type { Patch, Photo, Rect } from "../engine/engine";
import { innerOf } from "../engine/margins";
import type { State } from "./state";
import { intersection, type Size, within } from "./steps";
import type { Frame, Viewport } from "./viewport";

/** A part of a photo, reduced by an integer factor. */
export interface Closeup extends Patch {
  photo: Photo;
  reduction: number;
}

/** Milliseconds without movement after which a part is requested. */
const STILL = 120;
/** Margin on every side, as a share of the visible part. */
const MARGIN = 0.25;

/** The visible pixels of a photo, without its margins; null when there are none. */
export function seenOf(photo: Photo, { scale, left, top }: Viewport, frame: Size): Rect | null {
  const size = { width: frame.width / scale, height: frame.height / scale };
  return ownOf(photo, { left: -left / scale, top: -top / scale, ...size });
}

/** The pixels of the file that a rectangle touches; null when there are none. */
function ownOf(photo: Photo, rect: Rect): Rect | null {
  const touched = within(rect, photo);
  return touched && intersection(touched, innerOf(photo));
}

/** The part to request; null where the view or the current close-up is sharp enough. */
export function wantedOf(
  photo: Photo,
  viewport: Viewport,
  frame: Frame,
  pixelRatio: number,
  present: Closeup | null,
): { rect: Rect; reduction: number } | null {
  const scale = viewport.scale * pixelRatio; // pixels of the screen for one of the photo
  const seen = seenOf(photo, viewport, frame);
  if (seen === null || photo.view.width >= Math.min(1, scale) * innerOf(photo).width) return null;
  const reduction = Math.max(1, Math.floor(1 / scale));
  if (present?.photo === photo && present.reduction <= reduction && covers(present.rect, seen)) return null;
  const [wide, tall] = [MARGIN * seen.width, MARGIN * seen.height];
  const around = {
    left: seen.left - wide,
    top: seen.top - tall,
    width: seen.width + 2 * wide,
    height: seen.height + 2 * tall,
  };
  return { rect: ownOf(photo, around) as Rect, reduction };
}

function covers(rect: Rect, part: Rect): boolean {
  const both = intersection(rect, part);
  return both?.width === part.width && both.height === part.height;
}

/**
 * Keep a close-up of the visible part up to date, with one request at a time.
 *
 * @param keep - receives each one, and null when the photo changes; the previous one is no longer needed
 * @returns a function that stops it
 */
export function followCloseup(state: State, pixelRatio: () => number, keep: (closeup: Closeup | null) => void) {
  let present: Closeup | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isAsking = false;
  let hasEnded = false;

  const put = (closeup: Closeup | null): void => {
    const before = present;
    present = closeup;
    keep(closeup);
    before?.view.close();
  };
  const ask = async (): Promise<void> => {
    const photo = state.photo.peek();
    const wanted = photo && wantedOf(photo, state.viewport.peek(), state.frame.peek(), pixelRatio(), present);
    if (!photo || !wanted || isAsking || hasEnded) return;
    isAsking = true;
    try {
      const view = await state.engine.part(photo, wanted.rect, wanted.reduction);
      if (state.photo.peek() === photo && !hasEnded) put({ photo, ...wanted, view });
      else view.close();
      wakeIn(0); // the photo may have been moved meanwhile
    } catch {
      // The view stays, less sharp, until the photo is moved or changed.
    }
    isAsking = false;
  };
  const wakeIn = (milliseconds: number): void => {
    clearTimeout(timer);
    timer = setTimeout(() => void ask(), milliseconds);
  };
  const end = effect(() => {
    const [photo] = [state.photo.value, state.viewport.value, state.frame.value, state.busy.value?.what];
    if (present !== null && present.photo !== photo) put(null);
    wakeIn(STILL);
  });
  return () => {
    hasEnded = true;
    clearTimeout(timer);
    end();
    put(null);
  };
}
