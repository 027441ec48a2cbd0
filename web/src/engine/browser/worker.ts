/** The worker of the browser's engine: decodes, fills and encodes photos, one request after the other. */

import { mayUseGpu } from "../../offline/gpu";
import type { TextKey } from "../../texts/english";
import { unlessAborted } from "../aborting";
import type { Hole, OnProgress, Patch, Progress } from "../engine";
import { hasMargins } from "../margins";
import { clone } from "./cloning";
import { type Beginning, beginCopying, Copiers } from "./copiers";
import { bitmapOf, type Decoded, decode, LastDecoded, readMask, view } from "./decoding";
import { type Facts, readFacts } from "./facts";
import { crop, fillVisible, isEmpty, shownFill, withFills } from "./filling";
import { type Finder, find } from "./finding";
import { complete, type Tools } from "./inpaint";
import { outlineOf } from "./outline";
import { Progress as Reached } from "./progress";
import type { Answer, Call, Calls, Filled, FromWorker, Note, Place, ToWorker } from "./protocol";
import { NotedError, noteOf } from "./protocol";
import { loadFiles } from "./resources";
import { type Networks, startNetworks } from "./runtime";
import { encode, lossesOf } from "./saving";
import type { CopyTexture } from "./tools";

const PATCHMATCH = "patchmatch.wasm";

/** The tools of filling, with the runtime that they run in. */
interface Loaded extends Tools {
  networks: Networks;
}

/** Further arguments of a call. */
interface Circumstances {
  onProgress: OnProgress;
  signal: AbortSignal;
}

const decoded = new LastDecoded();
const wanted = new Map<number, AbortController>();
let place: Place;
let tools: Promise<Loaded> | null = null;
let finder: Promise<Finder> | null = null;
let loading: Progress = { doing: "working", share: null };
let onLoading: OnProgress = () => {};
let last: Promise<void> = Promise.resolve();

const ANSWERS: { [Name in Call]: (argument: Calls[Name][0], circumstances: Circumstances) => Promise<Calls[Name][1]> } =
  {
    async open({ source }) {
      const picture = await decode(source.file);
      const { width, height } = picture;
      const shown = await view(picture);
      if (shown !== picture) picture.close();
      loadTools().catch(() => {}); // preload for the first fill, which reports errors
      return { width, height, view: shown, notes: lossesOf(await factsOf(source.file)) };
    },

    async prepare({ source }) {
      await Promise.all([loadTools(onLoading), decoded.of(source)]);
      return null;
    },

    async fill({ source, earlier, hole, options }, { onProgress, signal }) {
      onProgress({ doing: "working", share: null });
      const loaded = await unlessAborted(loadTools(onProgress), signal);
      const original = await decoded.of(source);
      const photo = await withFills(original, earlier);
      const { grey } = await factsOf(source.file);
      const filled = await fillVisible(photo, hole, grey, (rgb, unknown) =>
        complete(rgb, unknown, photo, loaded, options, (share) => onProgress({ doing: "working", share }), signal),
      );
      return answered(photo, hole, filled, "server_transparent");
    },

    async clone({ source, earlier, stroke, copying }) {
      const photo = await withFills(await decoded.of(source), earlier);
      return answered(photo, stroke, clone(photo, stroke, copying.offset, copying.heals), "stamp_nothing");
    },

    async find({ source, earlier, options }, { onProgress, signal }) {
      onProgress({ doing: "working", share: null });
      const loaded = await unlessAborted(loadFinder(onProgress), signal);
      const original = await decoded.of(source);
      const progress = new Reached((share) => onProgress({ doing: "working", share }), signal);
      return find(await withFills(original, earlier), loaded, options, progress);
    },

    async part({ source, rect, reduction }) {
      return bitmapOf(crop(await decoded.of(source), rect), reduction);
    },

    async save({ source, fills, format, crop: kept }) {
      const original = await decoded.of(source);
      const photo = await withFills(original, fills);
      if (kept === null) return encode(photo, hasMargins(source.margins) ? null : original.rgba, source.file, format);
      const part = { width: kept.width, height: kept.height, rgba: crop(photo, kept).rgba };
      return encode(part, null, source.file, format);
    },

    async outline({ source, earlier, lasso }) {
      return outlineOf(await withFills(await decoded.of(source), earlier), lasso);
    },

    readMask: ({ file, width, height }) => readMask(file, width, height),
  };

/**
 * A fill for the page.
 *
 * @param photo - what lies under it
 * @param empty - the note where it has no pixels
 */
async function answered(
  photo: Decoded,
  hole: Hole,
  filled: Uint8ClampedArray<ArrayBuffer>,
  empty: TextKey,
): Promise<Filled> {
  const rects = hole.map(({ rect }) => rect);
  const patches = shownFill(filled, rects, photo).map(async (part) => ({
    rect: part.rect,
    view: await bitmapOf(part),
  }));
  const notes: Note[] = isEmpty(filled) ? [{ key: empty }] : [];
  return { patches: await Promise.all(patches), content: new Blob([filled]), notes };
}

self.onmessage = ({ data }: MessageEvent<ToWorker | Beginning>) => {
  if (data.kind === "copy") beginCopying(data);
  else if (data.kind === "start") begin(data.place, data.lock);
  else if (data.kind === "cancel") wanted.get(data.number)?.abort();
  else {
    wanted.set(data.number, new AbortController());
    const work = () => answer(data.number, data.name, data.argument);
    // Close-ups do not wait for a fill, and nothing waits for what is prepared.
    if (data.name === "part" || data.name === "prepare") void work();
    else last = last.then(work);
  }
};

/** Hold a lock while this worker is alive, by which the page notices its end. */
function begin(given: Place, lock: string): void {
  place = given;
  navigator.locks?.request(lock, () => {
    self.postMessage({ kind: "alive" } satisfies FromWorker);
    return new Promise(() => {});
  });
}

async function answer<Name extends Call>(number: number, name: Name, argument: Calls[Name][0]): Promise<void> {
  const { signal } = wanted.get(number) as AbortController;
  const onProgress = (progress: Progress) => post({ kind: "progress", number, progress });
  try {
    signal.throwIfAborted();
    post({ kind: "done", number, result: await ANSWERS[name](argument, { onProgress, signal }) });
  } catch (error) {
    // Out of memory, or a lost GPU. A failed close-up only looks blurred, so the worker is kept.
    const broken = !(error instanceof NotedError) && name !== "part" && name !== "prepare";
    post(signal.aborted ? { kind: "cancelled", number } : { kind: "failed", number, note: noteOf(error), broken });
  } finally {
    wanted.delete(number);
  }
}

function post(message: Answer): void {
  self.postMessage(message, message.kind === "done" ? viewsIn(message.result) : []);
}

/** The bitmaps of a result, which are transferred. */
function viewsIn(result: unknown): ImageBitmap[] {
  if (result instanceof ImageBitmap) return [result];
  const { view, patches = [] } = result as { view?: ImageBitmap; patches?: Patch[] };
  return [...(view ? [view] : []), ...patches.map((patch) => patch.view)];
}

/** Load networks and PatchMatch once, and again after a failure; one call at a time gets the progress. */
function loadTools(onProgress: OnProgress = () => {}): Promise<Loaded> {
  onLoading = onProgress;
  if (loading.doing !== "working") onProgress(loading);
  tools ??= startTools().catch((error: Error) => {
    tools = null;
    throw error;
  });
  return tools;
}

async function startTools(): Promise<Loaded> {
  const { trainingSize, step } = place;
  const forGpu = await mayUseGpu();
  const runtime = forGpu ? "ort-gpu.wasm.gz" : "ort.wasm.gz";
  const names = [
    runtime,
    place.model,
    ...(place.blend === null ? [] : [place.blend]),
    ...(place.copies ? [PATCHMATCH] : []),
  ];
  const report = (progress: Progress): void => {
    loading = progress;
    onLoading(progress);
  };
  report({ doing: "loading", share: 0 });
  const files = await loadFiles(place, names, (received, total) =>
    report({ doing: "loading", share: received / total, bytes: { received, total } }),
  ).catch(withMemoryNoted);
  report({ doing: "compiling", share: null });
  const networks = await startNetworks(forGpu, files[runtime], files[place.model], place.network).catch(
    withMemoryNoted,
  );
  console.info(`Onar: networks run on ${networks.description}`);
  const blend = place.blend === null ? null : await networks.blend(files[place.blend]);
  const copiers = place.copies ? new Copiers(await WebAssembly.compile(files[PATCHMATCH]), self.location.href) : null;
  const copyTexture: CopyTexture | null = copiers && ((task, signal) => copiers.copy(task, signal));
  report({ doing: "working", share: null });
  const { max_side: maxSide = null } = place.network ?? {};
  const { network } = networks;
  return { network, trainingSize, step, maxSide, draws: place.network !== null, blend, copyTexture, networks };
}

/** Load the network that finds damage once, when it is first needed, and again after a failure. */
function loadFinder(onProgress: OnProgress): Promise<Finder> {
  finder ??= startFinder(onProgress).catch((error: Error) => {
    finder = null;
    throw error;
  });
  return finder;
}

async function startFinder(onProgress: OnProgress): Promise<Finder> {
  const { networks } = await loadTools(onProgress);
  if (place.finder === null) throw new Error("this folder has nothing that finds damage");
  const { model, thresholds } = place.finder;
  const files = await loadFiles(place, [model], (received, total) =>
    onProgress({ doing: "loading", share: received / total, bytes: { received, total } }),
  );
  const network = await networks.damage(files[model]);
  onProgress({ doing: "working", share: null });
  return { network, thresholds };
}

/** Rethrow an error, in words where the network did not fit into memory. */
function withMemoryNoted(error: unknown): never {
  const text = String(error);
  if (error instanceof RangeError || /bad_alloc|memory|allocat/i.test(text)) {
    console.error("Onar:", error);
    throw new NotedError({ key: "browser_network_too_large" });
  }
  throw error;
}

async function factsOf(file: File): Promise<Facts> {
  return readFacts(new Uint8Array(await file.arrayBuffer()));
}
