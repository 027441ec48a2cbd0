/** Saving all photos of the strip that were filled: as one zip file, or into a folder. */

import { makeZip } from "client-zip";
import { EngineError, type Line, type OnProgress, type Saved } from "../engine/engine";
import { numbered } from "../engine/naming";
import { say } from "../texts/texts";
import { canChange, fileOf, workOf } from "./album";
import type { Entry } from "./album_entries";
import { fillsOf, isChanged, marginsOf, type Work } from "./document";
import { homeOf, mayWrite, pickFolder } from "./folders";
import { liftMoved } from "./painting";
import { failuresOf, ofPhotos } from "./photo_names";
import { offer } from "./saving";
import { announce, complain, lineOf, type State, waitFor } from "./state";

/** Losses that are listed; more would hide that the photos were saved. */
const MAX_NOTES = 3;

/** Download the filled photos as one zip file. */
export async function saveZip(state: State): Promise<void> {
  await saveAll(state, async (results) => {
    const names = new Set<string>();
    async function* files() {
      for await (const { name, content } of results) {
        const free = await numbered(name, async (taken) => names.has(taken));
        names.add(free);
        yield { name: free, input: content, lastModified: new Date() };
      }
    }
    const content = await new Response(makeZip(files())).blob();
    return { place: say("strip_zip_name"), end: () => offer(content, say("strip_zip_name")) };
  });
}

/** Whether all filled photos are from folders that results can be written into. */
export function haveHomes(state: State): boolean {
  const filled = filledOf(state);
  return filled.length > 0 && filled.every(({ file }) => homeOf(file) !== null);
}

/** Write the filled photos beside their originals, or else into a folder that is chosen; files that exist stay. */
export async function saveIntoFolder(state: State): Promise<void> {
  if (!canChange(state)) return;
  const chosen = haveHomes(state) ? null : await pickFolder("readwrite");
  if (chosen === null && !haveHomes(state)) return;
  const folders = new Map(filledOf(state).map((entry) => [entry, chosen ?? homeOf(entry.file)]));
  for (const folder of new Set(folders.values())) {
    if (chosen === null && folder !== null && !(await mayWrite(folder))) return;
  }
  await saveAll(state, async (results) => {
    const names = new Set<string>();
    for await (const { entry, name, content } of results) {
      const folder = folders.get(entry);
      if (!folder) continue;
      await write(folder, name, content);
      names.add(folder.name);
    }
    return { place: [...names].join(", "), end: () => {} };
  });
}

async function write(folder: FileSystemDirectoryHandle, name: string, content: Blob): Promise<void> {
  try {
    const free = await numbered(name, (taken) => exists(folder, taken));
    const stream = await (await folder.getFileHandle(free, { create: true })).createWritable();
    await stream.write(content);
    await stream.close();
  } catch (error) {
    throw new EngineError(() => say("strip_not_written", { name, folder: folder.name }), { cause: error });
  }
}

async function exists(folder: FileSystemDirectoryHandle, name: string): Promise<boolean> {
  return folder.getFileHandle(name).then(
    () => true,
    (error: DOMException) => error.name !== "NotFoundError",
  );
}

/** Where results went, and what is left to do. */
interface Kept {
  place: string;
  end(): void;
}

function filledOf(state: State): Entry[] {
  return state.album.entries.value.filter((entry) => isChanged(workOf(state, entry).now));
}

/** The file of a photo with its fills. */
type Result = Saved & { entry: Entry };

async function saveAll(state: State, keep: (results: AsyncIterable<Result>) => Promise<Kept>): Promise<void> {
  if (!canChange(state)) return;
  liftMoved(state);
  const filled = filledOf(state);
  if (filled.length === 0) {
    complain(state, () => say("strip_nothing_filled"));
    return;
  }
  const saving = new Saving(state, filled);
  await waitFor(
    state,
    "saving",
    async (signal, onProgress) => {
      const kept = await keep(saving.results(signal, onProgress));
      if (saving.done.size === 0) throw new EngineError(() => failuresOf(saving.failed));
      signal.throwIfAborted(); // before anything is downloaded
      return kept;
    },
    (kept) => {
      kept.end();
      saving.finish(kept.place);
    },
  );
}

/** One run over the photos. */
class Saving {
  readonly done = new Map<Entry, Work>();
  readonly failed: Entry[] = [];
  /** Losses of the saved files, and their photos. */
  private readonly notes = new Map<string, { note: Line; entries: Entry[] }>();

  constructor(
    private readonly state: State,
    private readonly entries: readonly Entry[],
  ) {}

  /** The files, encoded one after the other as they are asked for; failures are skipped. */
  async *results(signal: AbortSignal, onProgress: OnProgress): AsyncGenerator<Result> {
    for (const [at, entry] of this.entries.entries()) {
      signal.throwIfAborted();
      onProgress({ doing: "working", share: at / this.entries.length });
      const result = await this.encoded(entry, signal);
      if (result !== null) yield { ...result, entry };
    }
  }

  private async encoded(entry: Entry, signal: AbortSignal): Promise<Saved | null> {
    const { engine, format } = this.state;
    const work = workOf(this.state, entry).now;
    try {
      const photo = { file: fileOf(this.state, entry), margins: marginsOf(work) };
      const saved = await engine.save(photo, fillsOf(work), format.value, work.crop ?? null, () => {}, signal);
      for (const note of saved.notes) this.record(note, entry);
      entry.failure.value = null;
      this.done.set(entry, work);
      return saved;
    } catch (error) {
      if (signal.aborted) throw error;
      entry.failure.value = lineOf(error);
      this.failed.push(entry);
      return null;
    }
  }

  private record(note: Line, entry: Entry): void {
    const entries = this.notes.get(note())?.entries ?? [];
    this.notes.set(note(), { note, entries: [...entries, entry] });
  }

  /** The notes, with names where they do not hold for all of several photos. */
  private lines(): Line[] {
    const { size } = this.done;
    return [...this.notes.values()].map(({ note, entries }) =>
      size > 1 && entries.length === size ? note : () => ofPhotos(entries, note),
    );
  }

  /** Record what was saved, and report it. */
  finish(place: string): void {
    const { album, saved } = this.state;
    for (const [entry, work] of this.done) {
      const parked = entry.parked.value;
      if (entry === album.shown.value) saved.value = work;
      else if (parked !== null) entry.parked.value = { ...parked, saved: work };
    }
    const line = () => say("strip_all_saved", { count: this.done.size, place });
    if (this.failed.length > 0) complain(this.state, () => `${line()} ${failuresOf(this.failed)}`);
    else announce(this.state, line, ...this.lines().slice(0, MAX_NOTES));
  }
}
