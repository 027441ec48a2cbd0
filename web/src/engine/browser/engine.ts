/** The engine in the browser: photos never leave the device. */

import type { BrowserSite } from "../../site";
import { say } from "../../texts/texts";
import {
  type Copying,
  type Engine,
  EngineError,
  type Extended,
  type Fill,
  type FillOptions,
  type FindOptions,
  type Hole,
  type Line,
  type OnProgress,
  type Photo,
  type Piece,
  type Rect,
  type Saved,
} from "../engine";
import { hasMargins, NO_MARGINS } from "../margins";
import { nameFor } from "../naming";
import { CallError, Connection } from "./connection";
import type { Lying, Note, Source } from "./protocol";

export class BrowserEngine implements Engine {
  readonly formats = encodedFormats();
  private readonly connection: Connection;
  private readonly numbers = new WeakMap<File, number>();
  private opened = 0;
  /** Of the last call. */
  private last: Source | null = null;

  constructor(site: BrowserSite) {
    const { files, model, blend, copies, training_size: trainingSize, step, network, finder } = site;
    const place = { base: document.baseURI, files, model, blend, copies, trainingSize, step, network, finder };
    this.connection = new Connection(place, () => this.prepare());
    workOffline();
  }

  async open(file: File, _onProgress: OnProgress, signal: AbortSignal): Promise<Photo> {
    const source = this.source({ file, margins: NO_MARGINS });
    const { notes, ...opened } = await translated(this.connection.call("open", { source }, signal));
    return { file, margins: NO_MARGINS, ...opened, notes: notes.map(lineOf) };
  }

  async glance(): Promise<never> {
    throw new EngineError(() => say("browser_unreadable"));
  }

  async release(): Promise<void> {} // the worker keeps only the last photo

  part(photo: Photo, rect: Rect, reduction: number): Promise<ImageBitmap> {
    const never = new AbortController().signal; // cancelling may terminate the worker with its other calls
    return translated(this.connection.call("part", { source: this.source(photo), rect, reduction }, never));
  }

  async fill(
    photo: Photo,
    earlier: Fill[],
    hole: Hole,
    options: FillOptions,
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<Fill> {
    const argument = { source: this.source(photo), earlier: lying(earlier), hole, options };
    const { notes, ...filled } = await translated(this.connection.call("fill", argument, signal, onProgress));
    return { rects: hole.map(({ rect }) => rect), ...filled, notes: notes.map(lineOf) };
  }

  async clone(photo: Photo, earlier: Fill[], stroke: Hole, copying: Copying, signal: AbortSignal): Promise<Fill> {
    const argument = { source: this.source(photo), earlier: lying(earlier), stroke, copying };
    const { notes, ...filled } = await translated(this.connection.call("clone", argument, signal));
    return { rects: stroke.map(({ rect }) => rect), ...filled, notes: notes.map(lineOf) };
  }

  find(
    photo: Photo,
    earlier: Fill[],
    options: FindOptions,
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const argument = { source: this.source(photo), earlier: lying(earlier), options };
    return translated(this.connection.call("find", argument, signal, onProgress));
  }

  async save(
    photo: Extended,
    fills: Fill[],
    format: string,
    crop: Rect | null,
    _onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<Saved> {
    const { file, margins } = photo;
    const isAsItWas = fills.length === 0 && crop === null && !hasMargins(margins);
    if (isAsItWas && format === "same") return { content: file, name: file.name, notes: [] };
    const argument = { source: this.source(photo), fills: lying(fills), format, crop };
    const { content, ending, notes } = await translated(this.connection.call("save", argument, signal));
    return { content, name: nameFor(file.name, content.type, ending), notes: notes.map(lineOf) };
  }

  readMask(file: File, { width, height }: Photo, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    return translated(this.connection.call("readMask", { file, width, height }, signal));
  }

  outline(photo: Photo, earlier: Fill[], lasso: Piece, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const argument = { source: this.source(photo), earlier: lying(earlier), lasso };
    return translated(this.connection.call("outline", argument, signal));
  }

  /** The key of a decoded file in the worker. */
  private source({ file, margins }: Extended): Source {
    const id = this.numbers.get(file) ?? this.opened++;
    this.numbers.set(file, id);
    this.last = { id, file, margins };
    return this.last;
  }

  /** Have a new worker ready for the next call. */
  private prepare(): void {
    if (this.last === null) return;
    const never = new AbortController().signal;
    this.connection.call("prepare", { source: this.last }, never).catch(() => {}); // the next call reports it
  }
}

/** Register the service worker for offline use, where browsers allow it: HTTPS, and the right content type. */
function workOffline(): void {
  navigator.serviceWorker
    ?.register("sw.js")
    .catch((error: Error) => console.info(`Onar: not offline: ${error.message}`));
}

/** Formats that this browser encodes. */
function encodedFormats(): string[] {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const writes = (format: string) => canvas.toDataURL(`image/${format}`).startsWith(`data:image/${format}`);
  return ["png", "jpeg", "webp"].filter(writes);
}

function lying(fills: Fill[]): Lying[] {
  return fills.map(({ rects, content }) => ({ rects, content }));
}

/** The result of a call; failures get translated messages. */
async function translated<Result>(call: Promise<Result>): Promise<Result> {
  try {
    return await call;
  } catch (error) {
    throw error instanceof CallError ? new EngineError(lineOf(error.note)) : error;
  }
}

function lineOf({ key, values }: Note): Line {
  return () => say(key, values);
}
