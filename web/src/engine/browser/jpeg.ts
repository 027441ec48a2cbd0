/** Segments of a JPEG file: metadata that is carried over to another file. */

import shared from "../../shared.json";
import { joined, startsWith, viewOf } from "./bytes";
import { described, orientationOf } from "./exif";

export const EXIF_OR_XMP = 0xe1;
const PROFILE = 0xe2;
const JFIF = 0xe0;
const ADOBE = 0xee;
/** Byte range of the resolution in a JFIF segment. */
const DENSITY: [number, number] = [7, 12];
const SCAN = 0xda;
const END = 0xd9;
/** Markers of frame headers, which hold the size. */
const FRAMES = [0xc0, 0xc1, 0xc2];
/** Markers of tables for decoding. */
const TABLES = [0xc4, 0xdb, 0xdd];
/** Padding bytes that may follow the picture. */
const PADDING = [0x00, 0xff, 0x0d, 0x0a];

const { MAX_SCANS } = shared.jpeg;

const EXIF = "Exif\0\0";
const XMP = "http://ns.adobe.com/xap/1.0/\0";
const XMP_ORIENTATION = /(tiff:Orientation\s*(?:=\s*["']|>\s*))[2-8]/;
const XMP_THUMBNAILS = /<(xmp|xap):Thumbnails\b/g;

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

/** Whether a segment belongs to the encoding of the pixels, which every program rewrites. */
function isOfPixels({ marker, content }: Segment): boolean {
  return [JFIF, ADOBE, ...FRAMES, ...TABLES].includes(marker) || isProfile({ marker, content });
}

export function isProfile({ marker, content }: Segment): boolean {
  return marker === PROFILE && startsWith(content, "ICC_PROFILE");
}

/** Whether a file holds more than pixels, profile, EXIF and XMP, such as comments or a phone's video. */
export function holdsMore(file: Uint8Array): boolean {
  const { segments } = readSegments(file);
  return segments.some((one) => one.marker !== EXIF_OR_XMP && !isOfPixels(one)) || isFollowed(file);
}

/** Whether data follow the picture. */
function isFollowed(file: Uint8Array): boolean {
  for (const { marker, after } of markers(file)) {
    if (marker === END) return file.subarray(after).some((byte) => !PADDING.includes(byte));
  }
  return false;
}

export function isJpeg(start: Uint8Array): boolean {
  return startsWith(start, "\xff\xd8\xff");
}

/** Whether a JPEG file has more scans than any program writes: each passes over all pixels, even if empty. */
export function hasManyScans(file: Uint8Array): boolean {
  let scans = 0;
  for (const { marker } of markers(file)) {
    if (marker === END) return false;
    if (marker === SCAN && ++scans > MAX_SCANS) return true;
  }
  return false;
}

/** The markers of a file except those inside scan data, with their ends. */
function* markers(file: Uint8Array): Generator<{ marker: number; after: number }> {
  const view = viewOf(file);
  for (let at = file.indexOf(0xff, 2); at >= 0 && at + 2 <= file.length; at = file.indexOf(0xff, at)) {
    const marker = file[at + 1];
    const isAlone = marker < 0xc0 || (marker >= 0xd0 && marker < END);
    if (!isAlone && marker !== 0xff) yield { marker, after: at + 2 };
    if (marker === 0xff) at += 1;
    else if (isAlone || at + 4 > file.length) at += 2;
    else at += 2 + view.getUint16(at + 2);
  }
}

/**
 * A JPEG file with the EXIF and XMP of another one, for the upright photo.
 *
 * @param file - as a browser encodes it
 * @param original - where they are taken from
 * @returns the file, and whether other metadata of the original is lost
 */
export function withMetadata(file: Uint8Array, original: Uint8Array): { file: Uint8Array<ArrayBuffer>; lost: boolean } {
  const { segments, frame } = readSegments(file);
  if (frame === null) throw new RangeError("not a JPEG file");
  const [height, width] = [viewOf(frame).getUint16(1), viewOf(frame).getUint16(3)];
  const kept: Uint8Array[] = [];
  let lost = holdsMore(original);
  for (const { marker, content } of readSegments(original).segments) {
    if (marker !== EXIF_OR_XMP) continue;
    const changed = withoutPictures(content, width, height, 1);
    if (changed === null) lost = true;
    else kept.push(segment(marker, changed));
  }
  const first = segments[0]?.marker === JFIF ? 2 + 4 + segments[0].content.length : 2;
  const start = file.slice(0, first);
  if (first > 2) setDensity(start, original);
  return { file: joined([start, ...kept, file.subarray(first)]), lost };
}

/** The markers of a JPEG file before its tables. */
export interface Header {
  /** Whole segments. */
  segments: Uint8Array[];
  /** From 1 to 8. */
  orientation: number;
  /** Whether other metadata are lost. */
  lost: boolean;
}

/** The header for a file of the same stored pixels; null when the file is damaged. */
export function headerOf(original: Uint8Array): Header | null {
  const { segments, frame } = readSegments(original);
  if (frame === null) return null;
  const [height, width] = [viewOf(frame).getUint16(1), viewOf(frame).getUint16(3)];
  const kept: Uint8Array[] = [];
  let orientation = 1;
  for (const one of segments) {
    if (one.marker === EXIF_OR_XMP) {
      const isExif = startsWith(one.content, EXIF);
      if (isExif) orientation = orientationOf(one.content.subarray(EXIF.length));
      const changed = withoutPictures(one.content, width, height, isExif ? orientation : null);
      if (changed !== null) kept.push(segment(one.marker, changed));
      else if (isExif) return null;
    } else if (one.marker === JFIF || one.marker === ADOBE || isProfile(one)) {
      kept.push(segment(one.marker, one.content));
    }
  }
  return { segments: kept, orientation, lost: holdsMore(original) };
}

/** Copy the resolution of another file's JFIF segment. */
function setDensity(start: Uint8Array, original: Uint8Array): void {
  const jfif = readSegments(original).segments.find(({ marker, content }) => marker === JFIF && isJfif(content));
  if (jfif !== undefined && isJfif(start.subarray(6))) start.set(jfif.content.subarray(...DENSITY), 6 + DENSITY[0]);
}

function isJfif(content: Uint8Array): boolean {
  return content.length >= DENSITY[1] && startsWith(content, "JFIF\0");
}

/**
 * An EXIF or XMP segment without pictures; null when it is damaged or neither.
 *
 * @param orientation - the new one, or null for that of the segment
 */
function withoutPictures(
  content: Uint8Array,
  width: number,
  height: number,
  orientation: number | null,
): Uint8Array | null {
  if (startsWith(content, EXIF)) {
    const block = described(content.subarray(EXIF.length), width, height, orientation ?? 1);
    return block && joined([content.subarray(0, EXIF.length), block]);
  }
  if (!startsWith(content, XMP)) return null;
  const head = content.subarray(0, XMP.length);
  const packet = new TextDecoder().decode(content.subarray(XMP.length));
  const turned = orientation === null ? packet : packet.replace(XMP_ORIENTATION, (_, name: string) => `${name}1`);
  return joined([head, new TextEncoder().encode(withoutThumbnails(turned))]);
}

/** An XMP packet without thumbnails, which show the original; linear time, also for malformed packets. */
function withoutThumbnails(packet: string): string {
  const endless = new Set<string>();
  let [kept, at] = ["", 0];
  for (const begin of packet.matchAll(XMP_THUMBNAILS)) {
    const [start, name] = [begin.index, begin[1]];
    if (start < at || endless.has(name)) continue;
    const end = new RegExp(`</${name}:Thumbnails\\s*>`, "g");
    end.lastIndex = start;
    if (end.test(packet)) {
      kept += packet.slice(at, start);
      at = end.lastIndex;
    } else {
      endless.add(name);
    }
  }
  return kept + packet.slice(at);
}

export function segment(marker: number, content: Uint8Array): Uint8Array {
  const head = new Uint8Array([0xff, marker, 0, 0]);
  viewOf(head).setUint16(2, content.length + 2);
  return joined([head, content]);
}
