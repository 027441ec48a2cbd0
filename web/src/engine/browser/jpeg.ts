/** The segments of a JPEG file: what it says beside its pixels, carried over to another one. */

import { joined, startsWith, viewOf } from "./bytes";
import { upright } from "./exif";

export const EXIF_OR_XMP = 0xe1;
const PROFILE = 0xe2;
const JFIF = 0xe0;
const ADOBE = 0xee;
const SCAN = 0xda;
const END = 0xd9;
/** Markers of segments that say how large the picture is. */
const FRAMES = [0xc0, 0xc1, 0xc2];
/** Those of tables that its pixels are decoded by. */
const TABLES = [0xc4, 0xdb, 0xdd];
/** What may follow a picture and is nothing. */
const PADDING = [0x00, 0xff, 0x0d, 0x0a];

const EXIF = "Exif\0\0";
const XMP = "http://ns.adobe.com/xap/1.0/\0";
const XMP_ORIENTATION = /(tiff:Orientation\s*(?:=\s*["']|>\s*))[2-8]/;
const XMP_THUMBNAILS = /<(xmp|xap):Thumbnails\b[\s\S]*?<\/\1:Thumbnails\s*>/g;

export interface Segment {
  marker: number;
  content: Uint8Array;
}

export interface Segments {
  /** Up to the first scan. */
  segments: Segment[];
  /** Precision, height, width, number of channels and more; null when the file is damaged. */
  frame: Uint8Array | null;
}

export function readSegments(file: Uint8Array): Segments {
  const segments: Segment[] = [];
  const view = viewOf(file);
  for (let at = 2; at + 4 <= file.length && file[at] === 0xff; at += 2 + view.getUint16(at + 2)) {
    const marker = file[at + 1];
    if (marker === SCAN) break;
    segments.push({ marker, content: file.subarray(at + 4, at + 2 + view.getUint16(at + 2)) });
  }
  return { segments, frame: segments.find(({ marker }) => FRAMES.includes(marker))?.content ?? null };
}

/** Whether a segment is about the pixels themselves, as every program writes it anew. */
function isOfPixels({ marker, content }: Segment): boolean {
  return [JFIF, ADOBE, ...FRAMES, ...TABLES].includes(marker) || isProfile({ marker, content });
}

export function isProfile({ marker, content }: Segment): boolean {
  return marker === PROFILE && startsWith(content, "ICC_PROFILE");
}

/** Whether a file says or holds more than its pixels, their colours, EXIF and XMP: comments, a phone's video, and so on. */
export function holdsMore(file: Uint8Array): boolean {
  const { segments } = readSegments(file);
  return segments.some((one) => one.marker !== EXIF_OR_XMP && !isOfPixels(one)) || isFollowed(file);
}

/** Whether something follows the picture in its file. */
function isFollowed(file: Uint8Array): boolean {
  const view = viewOf(file);
  for (let at = file.indexOf(0xff, 2); at >= 0 && at + 4 <= file.length; at = file.indexOf(0xff, at)) {
    const marker = file[at + 1];
    if (marker === END) return file.subarray(at + 2).some((byte) => !PADDING.includes(byte));
    const isAlone = marker === 0xff || marker < 0xc0 || (marker >= 0xd0 && marker < END);
    at += isAlone ? (marker === 0xff ? 1 : 2) : 2 + view.getUint16(at + 2);
  }
  return false;
}

/**
 * A JPEG file with the EXIF and XMP of another one, for the photo set upright.
 *
 * @param file - as a browser encodes it
 * @param original - where they are taken from
 * @returns the file, and whether anything else that the original says is left out
 */
export function withMetadata(file: Uint8Array, original: Uint8Array): { file: Uint8Array<ArrayBuffer>; lost: boolean } {
  const { segments, frame } = readSegments(file);
  if (frame === null) throw new RangeError("not a JPEG file");
  const [height, width] = [viewOf(frame).getUint16(1), viewOf(frame).getUint16(3)];
  const kept: Uint8Array[] = [];
  let lost = holdsMore(original);
  for (const { marker, content } of readSegments(original).segments) {
    if (marker !== EXIF_OR_XMP) continue;
    const changed = forUpright(content, width, height);
    if (changed === null) lost = true;
    else kept.push(segment(marker, changed));
  }
  const first = segments[0]?.marker === JFIF ? 2 + 4 + segments[0].content.length : 2;
  return { file: joined([file.subarray(0, first), ...kept, file.subarray(first)]), lost };
}

/** An EXIF or XMP segment for the upright photo; null when it is damaged or neither. */
function forUpright(content: Uint8Array, width: number, height: number): Uint8Array | null {
  if (startsWith(content, EXIF)) {
    const block = upright(content.subarray(EXIF.length), width, height);
    return block && joined([content.subarray(0, EXIF.length), block]);
  }
  if (!startsWith(content, XMP)) return null;
  const head = content.subarray(0, XMP.length);
  const packet = new TextDecoder()
    .decode(content.subarray(XMP.length))
    .replace(XMP_ORIENTATION, (_, name: string) => `${name}1`)
    .replace(XMP_THUMBNAILS, ""); // they show the photo as it was
  return joined([head, new TextEncoder().encode(packet)]);
}

function segment(marker: number, content: Uint8Array): Uint8Array {
  const head = new Uint8Array([0xff, marker, 0, 0]);
  viewOf(head).setUint16(2, content.length + 2);
  return joined([head, content]);
}
