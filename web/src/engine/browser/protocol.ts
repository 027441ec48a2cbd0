/** What the page and its worker say to each other. Every request stands for itself, so a new worker can take it up. */

import { NotThereError } from "../../offline/kept";
import type { BrowserSite } from "../../site";
import type { TextKey } from "../../texts/english";
import type { FillOptions, Hole, Patch, Progress, Rect } from "../engine";

/** What the worker is told once. */
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
}

/** A photo's file; what is decoded of it is kept for the next request with the same number. */
export interface Source {
  id: number;
  file: File;
}

/** A fill that lies on a photo: 4 bytes a pixel, piece after piece; those with alpha 0 were not filled. */
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
  /** Of the file's name, with its dot. */
  ending: string;
  notes: Note[];
}

/** What can be asked for: arguments and result. */
export interface Calls {
  open: [{ source: Source }, Opened];
  part: [{ source: Source; rect: Rect; reduction: number }, ImageBitmap];
  fill: [{ source: Source; earlier: Lying[]; hole: Hole; options: FillOptions }, Filled];
  save: [{ source: Source; fills: Lying[]; format: string }, Encoded];
  readMask: [{ file: File; width: number; height: number }, Uint8Array<ArrayBuffer>];
}

export type Call = keyof Calls;

export type ToWorker =
  | { kind: "start"; place: Place; lock: string } // the lock is held for as long as the worker lives
  | { kind: "cancel"; number: number }
  | { [Name in Call]: { kind: "call"; number: number; name: Name; argument: Calls[Name][0] } }[Call];

export type Answer = { number: number } & (
  | { kind: "done"; result: unknown }
  | { kind: "failed"; note: Note; broken: boolean } // who is broken is replaced
  | { kind: "cancelled" }
  | { kind: "progress"; progress: Progress }
);

export type FromWorker = Answer | { kind: "alive" }; // it has its lock

/** A sentence of the page, in no language yet. */
export interface Note {
  key: TextKey;
  values?: Record<string, string | number>;
}

/** What a person is told of an error; the console says more, in the words of the browser. */
export function noteOf(error: unknown): Note {
  if (error instanceof NotedError) return error.note;
  console.error("Onar:", error);
  if (error instanceof NotThereError) return { key: "browser_not_there" };
  return { key: error instanceof RangeError ? "browser_too_large" : "browser_failed" }; // memory, or a canvas of that size
}

/** What a person can cause, in the worker. */
export class NotedError extends Error {
  constructor(readonly note: Note) {
    super(note.key);
  }
}
