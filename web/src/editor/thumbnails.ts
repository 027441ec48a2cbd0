/** Small pictures of the photos in the strip. */

import type { Fill, Patch, Photo } from "../engine/engine";
import type { Entry } from "./album_entries";
import type { Size } from "./steps";

/** Longer side in pixels, enough for sharp screens. */
const SIDE = 144;

let drawn = Promise.resolve();

/** Draw thumbnails as the browser decodes the files, one after the other because whole photos are large. */
export function drawThumbnails(entries: readonly Entry[]): void {
  for (const entry of entries) {
    drawn = drawn.then(() => decoded(entry)).catch(() => {}); // the engine may read it all the same
  }
}

async function decoded(entry: Entry): Promise<void> {
  if (entry.thumbnail.value !== null) return;
  const view = await createImageBitmap(entry.file);
  const { width, height } = view;
  entry.size ??= { width, height };
  await put(entry, view, { width, height }, []);
  view.close();
}

/** Draw the thumbnail of the photo that is shown, with its fills; not where there is no memory for it. */
export async function drawShown(entry: Entry, photo: Photo, fills: readonly Fill[]): Promise<void> {
  const patches = fills.flatMap((fill) => fill.patches);
  await put(entry, photo.view, photo, patches).catch(() => {});
}

async function put(entry: Entry, view: ImageBitmap, { width, height }: Size, patches: Patch[]): Promise<void> {
  const scale = Math.min(1, SIDE / Math.max(width, height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(scale * width)), Math.max(1, Math.round(scale * height)));
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.imageSmoothingQuality = "high";
  context.drawImage(view, 0, 0, canvas.width, canvas.height);
  context.scale(canvas.width / width, canvas.height / height);
  for (const { rect, view } of patches) context.drawImage(view, rect.left, rect.top, rect.width, rect.height);
  const content = await canvas.convertToBlob({ type: "image/png" });
  dropThumbnail(entry);
  entry.thumbnail.value = URL.createObjectURL(content);
}

export function dropThumbnail({ thumbnail }: Entry): void {
  if (thumbnail.value !== null) URL.revokeObjectURL(thumbnail.value);
  thumbnail.value = null;
}
