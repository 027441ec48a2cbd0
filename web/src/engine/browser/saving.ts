/** Encoding a photo with its fills by the browser. */

import { encodePng } from "../png";
import { contextOf, type Decoded, type Pixels } from "./decoding";
import { type Facts, type Kind, readFacts } from "./facts";
import { headerOf, withMetadata } from "./jpeg";
import { withChangedPixels } from "./jpeg_blocks";
import type { Encoded, Note } from "./protocol";

/** "same" is the photo's own format, or PNG where browsers cannot encode it. */
const OF_KINDS: Record<Kind, string> = { jpeg: "jpeg", png: "png", webp: "webp", gif: "png", other: "png" };
const ENDINGS: Record<string, string> = { jpeg: ".jpg", png: ".png", webp: ".webp" };
const QUALITY = 0.95;

/**
 * Encode the photo of a file.
 *
 * @param before - its pixels as they are in the file, or null for a part of it, or with margins
 */
export async function encode(photo: Decoded, before: Pixels | null, file: File, format: string): Promise<Encoded> {
  const original = new Uint8Array(await file.arrayBuffer());
  const facts = await readFacts(original);
  const chosen = format === "same" ? OF_KINDS[facts.kind] : format;
  const notes: Note[] = lossesOf(facts);
  const kept =
    before && chosen === "jpeg" && facts.kind === "jpeg" && !facts.profile ? keepBlocks(original, photo, before) : null;
  if (kept) return { ...kept, notes: [...notes, ...kept.notes] };
  if (format === "same" && chosen !== facts.kind) notes.push({ key: "browser_saved_as_png" });
  const written = await write(photo, chosen);
  const name = written.type.slice("image/".length);
  if (name !== chosen) notes.push({ key: "browser_png_for_size", values: { format: chosen.toUpperCase() } });
  let content: Uint8Array<ArrayBuffer> = new Uint8Array(await written.arrayBuffer());
  let lost = facts.metadata;
  if (name === "jpeg" && facts.kind === "jpeg") ({ file: content, lost } = withMetadata(content, original));
  if (lost) notes.push({ key: "browser_loses_metadata" });
  if (name === "jpeg" && isTransparent(photo)) notes.push({ key: "browser_loses_transparency" });
  if (name !== "png") notes.push({ key: "browser_compresses" });
  return { content: new Blob([content], { type: written.type }), ending: ENDINGS[name], notes };
}

/** A JPEG file in which only blocks with changed pixels are compressed again; null when that is not possible. */
function keepBlocks(original: Uint8Array, photo: Decoded, before: Pixels): Encoded | null {
  const header = headerOf(original);
  const written = header && withChangedPixels(original, photo, before, header.orientation, header.segments);
  if (!written) return null;
  const notes: Note[] = header.lost ? [{ key: "browser_loses_metadata" }] : [];
  return { content: new Blob([written], { type: "image/jpeg" }), ending: ENDINGS.jpeg, notes };
}

/** Losses of decoding in the browser. */
export function lossesOf(facts: Facts): Note[] {
  const notes: Note[] = [];
  if (facts.animated) notes.push({ key: "browser_first_picture" });
  if (facts.deep) notes.push({ key: "browser_loses_depth" });
  if (facts.profile) notes.push({ key: "browser_loses_profile" });
  return notes;
}

/** The photo in a format, or as PNG where this browser cannot create a canvas of its size. */
async function write(photo: Decoded, format: string): Promise<Blob> {
  const drawn = format === "png" ? null : await drawnAs(photo, format);
  return drawn ?? writePng(photo);
}

/** The encoding of the browser's canvas; null where the canvas was silently cropped. */
async function drawnAs({ width, height, rgba }: Decoded, format: string): Promise<Blob | null> {
  try {
    const canvas = new OffscreenCanvas(width, height);
    const context = contextOf(canvas, true);
    context.fillRect(width - 1, height - 1, 1, 1);
    if (context.getImageData(width - 1, height - 1, 1, 1).data[3] !== 255) return null;
    const pixels = format === "jpeg" ? opaque(rgba) : rgba;
    context.putImageData(new ImageData(pixels, width, height), 0, 0);
    const blob = await canvas.convertToBlob({ type: `image/${format}`, quality: QUALITY });
    return blob.size > 0 ? blob : null;
  } catch (error) {
    console.info(`Onar: no ${format} of ${width} × ${height} pixels: ${error}`);
    return null;
  }
}

/** Encode every pixel exactly: a canvas changes the colours of translucent pixels. */
function writePng(photo: Decoded): Promise<Blob> {
  const { width, rgba } = photo;
  if (isTransparent(photo)) {
    return encodePng(photo, 4, (top, count) => rgba.subarray(4 * width * top, 4 * width * (top + count)));
  }
  return encodePng(photo, 3, (top, count) => {
    const rows = new Uint8Array(3 * width * count);
    for (let from = 4 * width * top, to = 0; to < rows.length; from += 4, to += 3) {
      rows[to] = rgba[from];
      rows[to + 1] = rgba[from + 1];
      rows[to + 2] = rgba[from + 2];
    }
    return rows;
  });
}

/** The colours without transparency, for formats that have none. */
function opaque(rgba: Uint8ClampedArray<ArrayBuffer>): Uint8ClampedArray<ArrayBuffer> {
  const pixels = rgba.slice();
  for (let alpha = 3; alpha < pixels.length; alpha += 4) pixels[alpha] = 255;
  return pixels;
}

function isTransparent({ rgba }: Decoded): boolean {
  for (let alpha = 3; alpha < rgba.length; alpha += 4) if (rgba[alpha] !== 255) return true;
  return false;
}
