/** The interface of engines, a server or the browser itself. */

/** A part of a photo, in pixels of the photo itself. */
export interface Rect {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Pixels that are added on each side of a photo. */
export interface Margins {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** A piece of a hole. */
export interface Piece {
  rect: Rect;
  /** rect.width × rect.height, row by row; 255 is to be filled, 0 is kept. */
  mask: Uint8Array<ArrayBuffer>;
}

/** A hole in disjoint pieces. */
export type Hole = readonly Piece[];

export type Texture = "auto" | "network" | "patches";

export interface FillOptions {
  texture: Texture;
  /** Pixels inside the edge of a hole over which the network's fill fades into the colours around it. */
  feather: number;
  /** Seed of copied texture; another one gives another result. */
  seed: number;
  /** A name of `Site.weights`. */
  weights: string;
}

/** From pixels to their source, in whole pixels. */
export interface Offset {
  x: number;
  y: number;
}

/** How a stroke copies. */
export interface Copying {
  offset: Offset;
  /** Whether the copied pixels are fitted to the photo around the stroke. */
  heals: boolean;
}

export interface FindOptions {
  /** Names of `Site.finds`. */
  what: readonly string[];
  /** From 0 to 1; higher marks more. */
  sensitivity: number;
}

/** A message, rendered in the current language. */
export type Line = () => string;

/** A photo that was opened. */
export interface Photo {
  /** The original file; downloads keep its name. */
  file: File;
  /** Size of the upright photo with its margins. */
  width: number;
  height: number;
  /** Margins by which it is extended; all positions count from their outer edges. */
  margins: Margins;
  /** The whole photo without margins, perhaps reduced; `Engine.part` has close-ups. */
  view: ImageBitmap;
  /** Notes for the user, such as losses in results. */
  notes: Line[];
}

/** A photo as engines know it: its file, and by how much it is extended. */
export type Extended = Pick<Photo, "file" | "margins">;

/** A part of a photo as it is shown. */
export interface Patch {
  rect: Rect;
  /** Perhaps with fewer pixels. */
  view: ImageBitmap;
}

/** A hole that was filled. */
export interface Fill {
  /** Rectangles of its pieces. */
  rects: Rect[];
  /**
   * Pictures of the filled pixels with a margin, so that scaling does not mix them with the pixels below
   * them. Transparent elsewhere.
   */
  patches: Patch[];
  /** The pieces for the engine, perhaps of higher depth than the screen's. */
  content: Blob;
  notes: Line[];
}

/** A photo to be saved. */
export interface Saved {
  content: Blob;
  name: string;
  /** Losses in the file. */
  notes: Line[];
}

export interface Progress {
  /** The phase: sending, loading networks, compiling them, or working. */
  doing: "sending" | "loading" | "compiling" | "working";
  /** From 0 to 1, or null when unknown. */
  share: number | null;
  /** The bytes that are loaded, where they are counted. */
  bytes?: { received: number; total: number };
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

/** Raised when the engine itself cannot be reached: other photos fail alike. */
export class LostEngineError extends EngineError {}

/**
 * What fills photos.
 *
 * Aborting a `signal` cancels the call; the promise is rejected with its reason.
 */
export interface Engine {
  /** Open a photo. */
  open(file: File, onProgress: OnProgress, signal: AbortSignal): Promise<Photo>;

  /**
   * A photo that browsers do not decode, for a small picture; null where it cannot be had now.
   *
   * Raises `EngineError` for a file that cannot be opened.
   */
  glance(file: File): Promise<ImageBitmap | null>;

  /** Forget a photo that is no longer open. */
  release(file: File): Promise<void>;

  /**
   * A part of a photo, without its fills; its margins are black or transparent.
   *
   * @param reduction - integer factor; 1 for full resolution
   */
  part(photo: Photo, rect: Rect, reduction: number): Promise<ImageBitmap>;

  /**
   * Fill a hole.
   *
   * @param earlier - earlier fills, from bottom to top
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
   * Copy pixels of another place along a stroke.
   *
   * @param earlier - earlier fills, from bottom to top
   * @param stroke - strengths from 0 to 255 in its masks
   * @returns a fill; pixels whose source is not in the photo are not in it
   */
  clone(photo: Photo, earlier: Fill[], stroke: Hole, copying: Copying, signal: AbortSignal): Promise<Fill>;

  /**
   * Find what should go, such as scratches.
   *
   * @param earlier - earlier fills, from bottom to top
   * @returns a mask as 255 and 0, width × height of the photo
   */
  find(
    photo: Photo,
    earlier: Fill[],
    options: FindOptions,
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer>>;

  /**
   * The photo with its fills as a file.
   *
   * @param format - "same" for the photo's own, or a name of `formats`
   * @param crop - the part to keep; null for the whole photo
   */
  save(
    photo: Extended,
    fills: Fill[],
    format: string,
    crop: Rect | null,
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<Saved>;

  /** Output formats, besides the photo's own. */
  readonly formats: string[];

  /**
   * The object that a lasso is drawn around.
   *
   * @param earlier - as for filling
   * @param lasso - the pixels in it
   * @returns width × height of `lasso.rect`; 255 for pixels of the object, all in the lasso, and none where none is found
   */
  outline(photo: Photo, earlier: Fill[], lasso: Piece, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;

  /** A mask file as 255 and 0, width × height of the photo; raises `EngineError` when it has another size. */
  readMask(file: File, photo: Photo, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
}
