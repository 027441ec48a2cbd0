/** The protocol between page and worker. Requests are stateless, so a new worker can repeat them. */

import { NotThereError } from "../../offline/kept";
import type { BrowserSite } from "../../site";
import type { TextKey } from "../../texts/english";
import type { Copying, FillOptions, FindOptions, Hole, Margins, Patch, Piece, Progress, Rect } from "../engine";

/** The worker's configuration. */
export interface Place {
  /** Address of the folder that holds the page. */
  base: string;
  files: BrowserSite["files"];
  /** Of `BrowserSite`. */
  model: string;
  blend: string | null;
  copies: boolean;
  trainingSize: number;
  step: number;
  network: BrowserSite["network"];
  finder: BrowserSite["finder"];
}

/** A photo's file and its margins, with the key of the file under which the worker caches the pixels. */
export interface Source {
  id: number;
  file: File;
  margins: Margins;
}

/** A fill on a photo: 4 bytes a pixel, piece by piece; pixels with alpha 0 were not filled. */
export interface Lying {
  rects: Rect[];
  content: Blob;
}

export interface Opened {
  width: number;
  height: number;
  view: ImageBitmap;
  notes: Note[];
}

export interface Filled {
  patches: Patch[];
  content: Blob;
  notes: Note[];
}

export interface Encoded {
  content: Blob;
  /** The file's extension, with its dot. */
  ending: string;
  notes: Note[];
}

/** Calls: arguments and results. */
export interface Calls {
  open: [{ source: Source }, Opened];
  /** Loads what filling needs, and decodes the photo. */
  prepare: [{ source: Source }, null];
  part: [{ source: Source; rect: Rect; reduction: number }, ImageBitmap];
  fill: [{ source: Source; earlier: Lying[]; hole: Hole; options: FillOptions }, Filled];
  clone: [{ source: Source; earlier: Lying[]; stroke: Hole; copying: Copying }, Filled];
  find: [{ source: Source; earlier: Lying[]; options: FindOptions }, Uint8Array<ArrayBuffer>];
  save: [{ source: Source; fills: Lying[]; format: string; crop: Rect | null }, Encoded];
  outline: [{ source: Source; earlier: Lying[]; lasso: Piece }, Uint8Array<ArrayBuffer>];
  readMask: [{ file: File; width: number; height: number }, Uint8Array<ArrayBuffer>];
}

export type Call = keyof Calls;

export type ToWorker =
  | { kind: "start"; place: Place; lock: string } // the lock is held while the worker is alive
  | { kind: "cancel"; number: number }
  | { [Name in Call]: { kind: "call"; number: number; name: Name; argument: Calls[Name][0] } }[Call];

export type Answer = { number: number } & (
  | { kind: "done"; result: unknown }
  | { kind: "failed"; note: Note; broken: boolean } // a broken worker is replaced
  | { kind: "cancelled" }
  | { kind: "progress"; progress: Progress }
);

export type FromWorker = Answer | { kind: "alive" }; // it has its lock

/** An untranslated text of the page. */
export interface Note {
  key: TextKey;
  values?: Record<string, string | number>;
}

/** The message of an error; the console has the browser's own. */
export function noteOf(error: unknown): Note {
  if (error instanceof NotedError) return error.note;
  console.error("Onar:", error);
  if (error instanceof NotThereError) return { key: "browser_not_there" };
  return { key: error instanceof RangeError ? "browser_too_large" : "browser_failed" }; // memory, or a canvas of that size
}

/** An error with a message for the user, in the worker. */
export class NotedError extends Error {
  constructor(readonly note: Note) {
    super(note.key);
  }
}
