/** What fills photos, whether a server or the browser itself: the page knows no difference. */

/** A part of a photo, in pixels of the photo itself. */
export interface Rect {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** A part of what is to be filled. */
export interface Piece {
  rect: Rect;
  /** rect.width × rect.height, row by row; 255 is to be filled, 0 is kept. */
  mask: Uint8Array<ArrayBuffer>;
}

/** What is to be filled, in pieces; no pixel is marked in two of them. */
export type Hole = readonly Piece[];

export type Texture = "auto" | "network" | "patches";

export interface FillOptions {
  texture: Texture;
  /** Of what is copied; another one gives another try. */
  seed: number;
  /** A name of `Site.weights`. */
  weights: string;
}

/** One line for people, in the language that the page speaks when it is asked for. */
export type Line = () => string;

/** A photo that was opened. */
export interface Photo {
  /** What was opened; its name is kept for downloads. */
  file: File;
  /** Of the photo itself, upright as it is shown. */
  width: number;
  height: number;
  /** What is shown: all of the photo, perhaps with fewer pixels; `Engine.part` shows it closely. */
  view: ImageBitmap;
  /** What a person should know, such as what a result will leave out. */
  notes: Line[];
}

/** A part of a photo as it is shown. */
export interface Patch {
  rect: Rect;
  /** Perhaps with fewer pixels. */
  view: ImageBitmap;
}

/** A hole that was filled. */
export interface Fill {
  /** Where its pieces lie. */
  rects: Rect[];
  /**
   * What is shown: all that was filled and a little round it, so that no scale mixes what was filled with what was there
   * before. Transparent elsewhere.
   */
  patches: Patch[];
  /** The pieces for the engine, which may hold more than a screen shows. */
  content: Blob;
  notes: Line[];
}

/** A photo to be saved. */
export interface Saved {
  content: Blob;
  name: string;
  /** What the file leaves out. */
  notes: Line[];
}

export interface Progress {
  /** A photo is sent, what fills is loaded, or the work itself is done. */
  doing: "sending" | "loading" | "working";
  /** From 0 to 1, or null while nobody can say. */
  share: number | null;
}

export type OnProgress = (progress: Progress) => void;

/** Raised when a photo cannot be read, filled or saved. */
export class EngineError extends Error {
  constructor(
    readonly line: Line,
    options?: ErrorOptions,
  ) {
    super(line(), options);
  }
}

/**
 * What fills photos.
 *
 * Each `signal` ends its work when it is aborted; the promise then fails with its reason.
 */
export interface Engine {
  /** Open a photo. */
  open(file: File, onProgress: OnProgress, signal: AbortSignal): Promise<Photo>;

  /**
   * A part of a photo, without its fills.
   *
   * @param reduction - of so many pixels a side one is shown; 1 for all
   */
  part(photo: Photo, rect: Rect, reduction: number): Promise<ImageBitmap>;

  /**
   * Fill a hole.
   *
   * @param earlier - what was filled before, in the order in which it lies on the photo
   */
  fill(
    photo: Photo,
    earlier: Fill[],
    hole: Hole,
    options: FillOptions,
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<Fill>;

  /**
   * The photo with its fills as a file.
   *
   * @param format - "same" for the photo's own, or a name of `formats`
   */
  save(photo: Photo, fills: Fill[], format: string, onProgress: OnProgress, signal: AbortSignal): Promise<Saved>;

  /** What photos can be saved as, besides their own format. */
  readonly formats: string[];

  /** A mask file as 255 and 0, width × height of the photo; raises `EngineError` when it has another size. */
  readMask(file: File, photo: Photo, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
}
