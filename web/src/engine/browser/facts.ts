/** Facts from the header of a picture file that browsers do not report: format, depth, metadata. */

import { latin, startsWith, viewOf } from "./bytes";
import { EXIF_OR_XMP, holdsMore, isProfile, readSegments } from "./jpeg";

export type Kind = "jpeg" | "png" | "webp" | "gif" | "other";

export interface Facts {
  kind: Kind;
  /** Whether its pixels have one channel, besides transparency. */
  grey: boolean;
  /** Whether they have more than 8 bits. */
  deep: boolean;
  /** Whether it has a colour profile of another space than sRGB. */
  profile: boolean;
  /** Whether it has metadata, such as the date. */
  metadata: boolean;
  /** Whether it holds several pictures. */
  animated: boolean;
}

const NOTHING = { grey: false, deep: false, profile: false, metadata: false, animated: false };

/** As in "sRGB IEC61966-2.1", the usual description of its profile. */
const SRGB = /s\0?R\0?G\0?B/;

/** Size in bytes of the header of a GIF or WebP that is searched. */
const HEAD = 4096;

/** Maximum size in bytes of a profile that is read to the end; usual ones have a few thousand. */
const MAX_PROFILE = 1 << 22;

export async function readFacts(file: Uint8Array<ArrayBuffer>): Promise<Facts> {
  if (startsWith(file, "\xff\xd8")) return readJpeg(file);
  if (startsWith(file, "\x89PNG")) return readPng(file);
  if (startsWith(file, "RIFF") && startsWith(file, "WEBP", 8)) return readWebp(file);
  if (startsWith(file, "GIF8")) return { ...NOTHING, kind: "gif", animated: headHolds(file, "NETSCAPE2.0") };
  return { ...NOTHING, kind: "other", metadata: true };
}

function readJpeg(file: Uint8Array): Facts {
  const { segments, frame } = readSegments(file);
  const profiles = segments.filter(isProfile);
  return {
    ...NOTHING,
    kind: "jpeg",
    grey: frame !== null && frame[5] === 1,
    profile: profiles.length > 0 && !profiles.some(({ content }) => SRGB.test(latin(content))),
    metadata: segments.some(({ marker }) => marker === EXIF_OR_XMP) || holdsMore(file),
  };
}

async function readPng(file: Uint8Array<ArrayBuffer>): Promise<Facts> {
  const chunks = new Map<string, Uint8Array<ArrayBuffer>>();
  const view = viewOf(file);
  for (let at = 8; at + 8 <= file.length; at += 12 + view.getUint32(at)) {
    const name = latin(file.subarray(at + 4, at + 8));
    if (name === "IDAT") break;
    chunks.set(name, file.subarray(at + 8, at + 8 + view.getUint32(at)));
  }
  const profile = chunks.get("iCCP");
  const ofPixels = ["IHDR", "PLTE", "tRNS", "iCCP", "sRGB", "gAMA", "cHRM", "acTL"];
  return {
    kind: "png",
    deep: file[24] === 16,
    grey: file[25] === 0 || file[25] === 4,
    profile: profile !== undefined && !SRGB.test(await profileIn(profile)),
    metadata: [...chunks.keys()].some((name) => !ofPixels.includes(name)),
    animated: chunks.has("acTL"),
  };
}

/** The name and the profile in an iCCP chunk, where it is compressed: programs name any profile "ICC Profile". */
async function profileIn(chunk: Uint8Array<ArrayBuffer>): Promise<string> {
  const end = chunk.indexOf(0);
  const reader = new Blob([chunk.subarray(end + 2)])
    .stream()
    .pipeThrough(new DecompressionStream("deflate"))
    .getReader();
  let text = latin(chunk.subarray(0, end));
  try {
    for (let part = await reader.read(); !part.done && text.length < MAX_PROFILE; part = await reader.read()) {
      text += latin(part.value);
    }
  } catch {
    // It is damaged: what was read counts.
  }
  void reader.cancel().catch(() => {});
  return text;
}

function readWebp(file: Uint8Array): Facts {
  const flags = startsWith(file, "VP8X", 12) ? file[20] : 0;
  return {
    ...NOTHING,
    kind: "webp",
    profile: (flags & 0x20) !== 0 && !headHolds(file, "sRGB"),
    metadata: (flags & 0x0c) !== 0,
    animated: (flags & 0x02) !== 0,
  };
}

function headHolds(file: Uint8Array, text: string): boolean {
  return latin(file.subarray(0, HEAD)).includes(text);
}
