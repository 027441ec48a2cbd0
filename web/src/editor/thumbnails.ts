/** Small pictures of the photos in the strip. */

import { type Engine, EngineError, type Fill, type Patch, type Photo } from "../engine/engine";
import { innerOf, NO_MARGINS } from "../engine/margins";
import type { Entry } from "./album_entries";
import type { State } from "./state";

/** The size and the margins of a photo. */
type Frame = Pick<Photo, "width" | "height" | "margins">;

/** Longer side in pixels, enough for sharp screens. */
const SIDE = 144;

let drawn = Promise.resolve();

/**
 * Draw thumbnails one after the other, because whole photos are large.
 *
 * @returns those of photos that cannot be opened
 */
export async function drawThumbnails(state: State, entries: readonly Entry[]): Promise<Entry[]> {
  const failed: Entry[] = [];
  for (const entry of entries) {
    const isDrawn = drawn.then(() => drawUnlessGone(state, entry)).catch(() => true);
    drawn = isDrawn.then((isDrawn) => void (isDrawn || failed.push(entry)));
  }
  await drawn;
  return failed;
}

/** Returns false where the photo cannot be opened. */
async function drawUnlessGone({ album, engine }: State, entry: Entry): Promise<boolean> {
  if (entry.thumbnail.value !== null || !album.entries.value.includes(entry)) return true;
  try {
    await draw(entry, engine);
  } catch (error) {
    if (!(error instanceof EngineError)) return true; // there is no memory for it
    entry.failure.value = error.line;
    entry.opens = false;
    return false;
  }
  return true;
}

/** Draw a thumbnail as the browser decodes the file, or else the engine. */
async function draw(entry: Entry, engine: Engine): Promise<void> {
  const decoded = await createImageBitmap(entry.file).catch(() => null);
  const view = decoded ?? (await engine.glance(entry.file));
  if (view === null) return;
  const { width, height } = view;
  if (decoded !== null) entry.size ??= { width, height };
  await put(entry, view, { width, height, margins: NO_MARGINS }, []);
  view.close();
}

/** Draw the thumbnail of the photo that is shown, with its fills; not where there is no memory for it. */
export async function drawShown(entry: Entry, photo: Photo, fills: readonly Fill[]): Promise<void> {
  const patches = fills.flatMap((fill) => fill.patches);
  await put(entry, photo.view, photo, patches).catch(() => {});
}

async function put(entry: Entry, view: ImageBitmap, photo: Frame, patches: Patch[]): Promise<void> {
  const { width, height } = photo;
  const scale = Math.min(1, SIDE / Math.max(width, height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(scale * width)), Math.max(1, Math.round(scale * height)));
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.imageSmoothingQuality = "high";
  context.scale(canvas.width / width, canvas.height / height);
  const inner = innerOf(photo);
  context.drawImage(view, inner.left, inner.top, inner.width, inner.height);
  for (const { rect, view } of patches) context.drawImage(view, rect.left, rect.top, rect.width, rect.height);
  entry.thumbnail.value = await canvas.convertToBlob({ type: "image/png" });
}
