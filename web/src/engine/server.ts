/** The engine of `onar serve`: its HTTP API. */

import { type Problem, problemIn, sentence } from "../problems";
import shared from "../shared.json";
import type { ServerSite } from "../site";
import type { TextKey } from "../texts/english";
import { language, say } from "../texts/texts";
import { composed, contextOf, isWhole, type Sheet, written } from "./composing";
import { originalOf } from "./copies";
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
  LostEngineError,
  type OnProgress,
  type Photo,
  type Piece,
  type Rect,
  type Saved,
} from "./engine";
import { hasMargins, NO_MARGINS, writtenMargins } from "./margins";
import { nameFor } from "./naming";
import { encodePng } from "./png";
import { send } from "./sending";

/** The server's error code for a photo that it no longer keeps. */
const PHOTO_GONE = "photo_gone";

/** Milliseconds between two questions for the progress of a fill. */
const PULSE = 400;

/** Side of the thumbnails by which two bitmaps are compared. */
const COMPARED = 128;
/** Maximum mean and single difference of levels of equal bitmaps. */
const MEAN_DIFFERENCE = 3;
const MAX_DIFFERENCE = 48;
/** Bytes of photos that the server is asked to keep for this page; one more than that is kept alone. */
const MAX_KEPT_BYTES = 64e6;
/** Pixels of a picture that are read at once. */
const BAND_PIXELS = 1_000_000;

/** A loss in a result, from the header `Onar-Losses`. */
interface Loss {
  key: string;
  values: Record<string, string | number>;
}

export class ServerEngine implements Engine {
  readonly formats = ["png", "jpeg", "tiff", "webp", "bmp"];
  readonly #site: ServerSite;
  /** Ids of the photos that the server keeps for this page, the last used one last. */
  readonly #kept = new Map<File, string>();

  constructor(site: ServerSite) {
    this.#site = site;
    addEventListener("pagehide", () => {
      for (const original of [...this.#kept.keys()]) void this.#forget(original);
    });
  }

  async open(file: File, onProgress: OnProgress, signal: AbortSignal): Promise<Photo> {
    const answer = await this.#askOf({ file, margins: NO_MARGINS }, "api/view", new FormData(), signal, onProgress);
    const [width, height] = sizeIn(answer);
    const seen = await bitmapOf(await answer.blob());
    const view = (await decodedHere(file, width, height, seen)) ?? seen;
    if (view !== seen) seen.close();
    return { file, width, height, margins: NO_MARGINS, view, notes: lossesIn(answer) };
  }

  async glance(file: File): Promise<ImageBitmap | null> {
    const never = new AbortController().signal;
    try {
      const answer = await this.#askOf({ file, margins: NO_MARGINS }, "api/view", new FormData(), never, () => {});
      return await bitmapOf(await answer.blob());
    } catch {
      return null; // opening it says why
    }
  }

  release(file: File): Promise<void> {
    return this.#forget(originalOf(file));
  }

  async part(photo: Photo, rect: Rect, reduction: number): Promise<ImageBitmap> {
    if (!isWhole(photo)) return this.#parts(photo, [rect], reduction);
    const { width, height } = rect;
    const [left, top] = [rect.left - photo.margins.left, rect.top - photo.margins.top];
    return createImageBitmap(photo.view, left, top, width, height, {
      resizeWidth: Math.ceil(width / reduction),
      resizeHeight: Math.ceil(height / reduction),
    });
  }

  /** Parts of a photo, stacked. */
  async #parts(photo: Photo, rects: Rect[], reduction: number): Promise<ImageBitmap> {
    const form = formOf({ parts: written(rects), reduction: String(reduction) });
    const answer = await this.#askOf(photo, "api/view", form, new AbortController().signal, () => {});
    return bitmapOf(await answer.blob());
  }

  async fill(
    photo: Photo,
    earlier: Fill[],
    hole: Hole,
    options: FillOptions,
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<Fill> {
    onProgress({ doing: "working", share: null });
    const rects = hole.map(({ rect }) => rect);
    const form = withFills(formOf({ mask: await maskFile(hole), at: written(rects) }), earlier);
    form.append("texture", options.texture);
    form.append("feather", String(options.feather));
    form.append("seed", String(options.seed));
    form.append("weights", options.weights);
    const answer = await watching(form, onProgress, () => this.#askOf(photo, "api/fill", form, signal, onProgress));
    return this.#filled(photo, earlier, rects, answer, "server_transparent");
  }

  async clone(photo: Photo, earlier: Fill[], stroke: Hole, copying: Copying, signal: AbortSignal): Promise<Fill> {
    const rects = stroke.map(({ rect }) => rect);
    const form = withFills(formOf({ mask: await maskFile(stroke), at: written(rects) }), earlier);
    form.append("offset", `${copying.offset.x},${copying.offset.y}`);
    form.append("heal", String(copying.heals));
    const answer = await this.#askOf(photo, "api/clone", form, signal, () => {});
    return this.#filled(photo, earlier, rects, answer, "stamp_nothing");
  }

  /**
   * A fill that the server answered with.
   *
   * @param empty - the note where it has no pixels
   */
  async #filled(photo: Photo, earlier: Fill[], rects: Rect[], answer: Response, empty: TextKey): Promise<Fill> {
    const content = await answer.blob();
    const notes = answer.headers.get("Onar-Filled") === "0" ? [() => say(empty)] : [];
    const filled = { rects, picture: await bitmapOf(content) };
    const patches = await composed(photo, earlier, filled, (parts) => this.#under(photo, parts));
    filled.picture.close();
    return { rects, patches, content, notes };
  }

  /** Rectangles of a photo; null when the server does not answer. */
  async #under(photo: Photo, rects: Rect[]): Promise<Sheet | null> {
    const picture = await this.#parts(photo, rects, 1).catch(() => null);
    return picture && { rects, picture };
  }

  async find(
    photo: Photo,
    earlier: Fill[],
    { what, sensitivity }: FindOptions,
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer>> {
    onProgress({ doing: "working", share: null });
    const form = withFills(formOf({ what: what.join(","), sensitivity: String(sensitivity) }), earlier);
    const answer = await this.#askOf(photo, "api/find", form, signal, onProgress);
    return firstChannel(await bitmapOf(await answer.blob()), photo.width, photo.height);
  }

  async save(
    photo: Extended,
    fills: Fill[],
    format: string,
    crop: Rect | null,
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<Saved> {
    const form = withFills(formOf(crop === null ? { format } : { format, crop: written([crop]) }), fills);
    const answer = await this.#askOf(photo, "api/save", form, signal, onProgress);
    const content = await answer.blob();
    const usual = /\.\w+(?="?$)/.exec(answer.headers.get("Content-Disposition") ?? "")?.[0] ?? "";
    return { content, name: nameFor(photo.file.name, content.type, usual), notes: lossesIn(answer) };
  }

  async readMask(file: File, photo: Photo, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const answer = await this.#post("api/mask", formOf({ mask: file }), signal);
    const [width, height] = sizeIn(answer);
    if (width !== photo.width || height !== photo.height) {
      const sizes = { mask: `${width} × ${height}`, photo: `${photo.width} × ${photo.height}` };
      throw new EngineError(() => say("server_mask_size", sizes));
    }
    return firstChannel(await bitmapOf(await answer.blob()), width, height);
  }

  async outline(photo: Photo, earlier: Fill[], lasso: Piece, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const fields = { mask: await maskFile([lasso]), at: written([lasso.rect]) };
    const answer = await this.#askOf(photo, "api/outline", withFills(formOf(fields), earlier), signal, () => {});
    return firstChannel(await bitmapOf(await answer.blob()), lasso.rect.width, lasso.rect.height);
  }

  /** Send a request about a photo, which is uploaded only if the server does not keep it. */
  async #askOf(
    { file, margins }: Extended,
    address: string,
    fields: FormData,
    signal: AbortSignal,
    onProgress: OnProgress,
  ): Promise<Response> {
    const form = hasMargins(margins) ? joined(fields, { extend: writtenMargins(margins) }) : fields;
    const original = originalOf(file);
    const kept = this.#kept.get(original);
    this.#kept.delete(original);
    if (kept !== undefined) {
      this.#kept.set(original, kept); // now the last used one
      try {
        return await this.#post(address, joined(form, { photo_id: kept }), signal);
      } catch (error) {
        if (!(error instanceof ServerError && error.problem.word === PHOTO_GONE)) throw error;
      }
    }
    const answer = await this.#post(address, joined(form, { photo: file, keep: "true" }), signal, onProgress);
    const id = answer.headers.get("Onar-Photo");
    if (id === null) this.#kept.delete(original);
    else this.#kept.set(original, id);
    void this.#forgetSurplus();
    return answer;
  }

  /** Leave room on the server for other pages. */
  async #forgetSurplus(): Promise<void> {
    let bytes = 0;
    for (const original of [...this.#kept.keys()].reverse()) {
      if (bytes > 0 && bytes + original.size > MAX_KEPT_BYTES) await this.#forget(original);
      else bytes += original.size;
    }
  }

  /** Have the server delete a photo. */
  async #forget(original: File): Promise<void> {
    const id = this.#kept.get(original);
    this.#kept.delete(original);
    if (id === undefined) return;
    await fetch(`api/photos/${id}`, { method: "DELETE", keepalive: true }).catch(() => {}); // it expires anyway
  }

  /** Send a form; raises `EngineError` with a translated message. */
  async #post(address: string, form: FormData, signal: AbortSignal, onProgress?: OnProgress): Promise<Response> {
    const bytes = [...form.values()].reduce((sum, value) => sum + (value instanceof Blob ? value.size : 0), 0);
    const megabytes = this.#site.max_body_megabytes;
    if (bytes > megabytes * 1_000_000) throw new EngineError(() => say(tooMuch(form), { megabytes }));
    let answer: Response;
    try {
      if (onProgress) answer = await send(address, form, signal, onProgress);
      else answer = await fetch(address, { method: "POST", body: form, signal });
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw new LostEngineError(() => say("server_unreachable"), { cause: error });
    }
    if (answer.ok) return answer;
    const problem = await problemIn(answer);
    const share = 100 * shared.finding.MAX_SHARE;
    throw new ServerError(problem, { megabytes, megapixels: this.#site.max_megapixels, share });
  }
}

/** Await work, and report the server's progress meanwhile; its id is added to the form. */
async function watching<T>(form: FormData, onProgress: OnProgress, work: () => Promise<T>): Promise<T> {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const id = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  form.append("work_id", id);
  const result = work();
  const end = result.then(
    () => true,
    () => true,
  );
  while (!(await Promise.race([end, pause(PULSE)]))) {
    const share = await Promise.race([end, shareOf(id)]);
    if (typeof share === "number") onProgress({ doing: "working", share });
  }
  return result;
}

async function pause(milliseconds: number): Promise<false> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  return false;
}

/** The share of a fill that is done; null before it begins, or when the server does not say. */
async function shareOf(id: string): Promise<number | null> {
  try {
    const answer = await fetch(`api/progress/${id}`);
    const { share } = await answer.json();
    return typeof share === "number" ? share : null;
  } catch {
    return null;
  }
}

/** An error in the server's answer. */
class ServerError extends EngineError {
  constructor(
    readonly problem: Problem,
    limits: Record<string, number>,
  ) {
    super(() => sentence(problem, limits));
  }
}

/** The error of a too large form: a photo that was opened can still be saved with fewer fills. */
function tooMuch(form: FormData): TextKey {
  return form.has("earlier") ? "server_too_many_fills" : "server_too_many_bytes";
}

function formOf(fields: Record<string, Blob | string>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  return form;
}

/** A form with more fields. */
function joined(form: FormData, fields: Record<string, Blob | string>): FormData {
  const whole = formOf(fields);
  for (const [name, value] of form) whole.append(name, value);
  return whole;
}

function withFills(form: FormData, fills: Fill[]): FormData {
  for (const { content, rects } of fills) {
    form.append("earlier", content);
    form.append("earlier_at", written(rects));
  }
  return form;
}

function sizeIn(answer: Response): [number, number] {
  const [width, height] = (answer.headers.get("Onar-Size") ?? "").split("x").map(Number);
  return [width, height];
}

/** The losses in a result, a sentence each. */
function lossesIn(answer: Response): Line[] {
  const losses: Loss[] = JSON.parse(answer.headers.get("Onar-Losses") ?? "[]");
  return losses.map(({ key, values }) => () => {
    const text = say(`server_loss_${key}` as TextKey, values);
    return `${text[0].toLocaleUpperCase(language.value)}${text.slice(1)}.`;
  });
}

// ---------------------------------------------------------------- pictures

async function bitmapOf(content: Blob): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(content);
  } catch (error) {
    throw new EngineError(() => say("server_no_memory"), { cause: error });
  }
}

/**
 * A photo as the browser itself decodes it, at its full size.
 *
 * @param seen - the photo as the server sees it
 * @returns null where the browser cannot decode it, or decodes it with another orientation or other colours
 */
async function decodedHere(file: File, width: number, height: number, seen: ImageBitmap): Promise<ImageBitmap | null> {
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (bitmap?.width === width && bitmap.height === height && (await showTheSame(bitmap, seen))) return bitmap;
  bitmap?.close();
  return null;
}

async function showTheSame(one: ImageBitmap, other: ImageBitmap): Promise<boolean> {
  const [first, second] = await Promise.all([one, other].map(reduced));
  let [sum, most] = [0, 0];
  first.forEach((level, at) => {
    const difference = Math.abs(level - second[at]);
    sum += difference;
    most = Math.max(most, difference);
  });
  return sum <= MEAN_DIFFERENCE * first.length && most <= MAX_DIFFERENCE;
}

async function reduced(bitmap: ImageBitmap): Promise<Uint8ClampedArray> {
  const small = await createImageBitmap(bitmap, {
    resizeWidth: COMPARED,
    resizeHeight: COMPARED,
    resizeQuality: "high",
  });
  const context = contextOf(COMPARED, COMPARED);
  context.drawImage(small, 0, 0);
  small.close();
  return context.getImageData(0, 0, COMPARED, COMPARED).data;
}

/** The red channel of a bitmap, which is closed; read in bands, because some browsers limit canvases. */
async function firstChannel(bitmap: ImageBitmap, width: number, height: number): Promise<Uint8Array<ArrayBuffer>> {
  const rows = Math.min(height, Math.max(1, Math.floor(BAND_PIXELS / width)));
  const context = contextOf(width, rows);
  const levels = new Uint8Array(width * height);
  for (let top = 0; top < height; top += rows) {
    context.drawImage(bitmap, 0, -top);
    const { data } = context.getImageData(0, 0, width, Math.min(rows, height - top));
    for (let from = 0, to = top * width; from < data.length; from += 4, to++) levels[to] = data[from];
    await new Promise((resolve) => setTimeout(resolve)); // yield to the page
  }
  bitmap.close();
  return levels;
}

/** The mask of a hole as a file: its pieces, stacked. */
function maskFile(hole: Hole): Promise<Blob> {
  const width = Math.max(...hole.map(({ rect }) => rect.width));
  const height = hole.reduce((rows, { rect }) => rows + rect.height, 0);
  const levels = new Uint8Array(width * height);
  let row = 0;
  for (const { rect, mask } of hole) {
    for (let from = 0; from < mask.length; from += rect.width) {
      levels.set(mask.subarray(from, from + rect.width), row++ * width);
    }
  }
  return encodePng({ width, height }, 1, (top, count) => levels.subarray(top * width, (top + count) * width));
}
