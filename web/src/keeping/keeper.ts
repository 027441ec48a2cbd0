/** Keeping unsaved work in the browser, so that it outlives a reload, a crash, or a phone that ends the tab. */

import { effect } from "@preact/signals";
import { isEntryUnsaved } from "../editor/album";
import { statesOf, UNTOUCHED } from "../editor/document";
import { held } from "../editor/opening";
import { complain, isSaved, putAway, type State, takeUp, waitFor } from "../editor/state";
import { EngineError, type Photo } from "../engine/engine";
import { followOtherTabs, keepsWork } from "../preferences";
import { say } from "../texts/texts";
import { Database, type KeptDocument, type KeptPart } from "./database";
import {
  type Numbers,
  numbered,
  type PackedPart,
  packed,
  packedStates,
  sizeOf,
  unpacked,
  unpackedHistory,
} from "./packing";
import { endedOf, endedRestoring, enter, guarded, randomName, remember, THIS_LOAD } from "./tab";

/** Milliseconds after a change in which further ones are awaited. */
const STILL = 400;

/** Work of another visit that can be restored. */
export interface Offer {
  id: string;
  name: string;
  changed: Date;
  restore(): Promise<void>;
  throwAway(): Promise<void>;
}

/** The document of a photo, by its file. */
interface Tracked {
  id: string;
  file: File;
  /** Of the parts that are written. */
  numbers: Numbers;
  /** Whether nothing of it is written. */
  isNew: boolean;
}

/**
 * Keep the work from now on, and take up that of the tab's last load.
 *
 * @param isFree - false when another photo is to be opened: then that work is offered instead
 */
export async function keepWork(state: State, isFree: boolean): Promise<void> {
  const database = await Database.open();
  if (database === null) return; // a private window, or storage is blocked: nothing is kept
  const keeper = new Keeper(state, database);
  try {
    await keeper.begin(isFree);
  } catch (error) {
    console.info("Onar: work is not kept:", error);
  }
}

class Keeper {
  readonly #state: State;
  readonly #database: Database;
  /** The documents of this load: of one photo, and where several are open, of each. */
  readonly #documents = new Map<File, Tracked>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isWriting = false;
  /** Whether something changed since the last writing began. */
  #hasChanged = false;
  /** The photo of which it was said that there is no room. */
  #isTold: Photo | null = null;
  #hasAsked = false;

  constructor(state: State, database: Database) {
    this.#state = state;
    this.#database = database;
  }

  async begin(isFree: boolean): Promise<void> {
    if (!keepsWork.peek()) await this.#database.clear();
    const last = await enter();
    const wasRestoring = endedRestoring();
    const documents = await this.#database.documents();
    const ended = await endedOf(documents.map(({ owner }) => owner));
    const own = isFree && !wasRestoring ? documents.find(({ owner }) => owner === last) : undefined;
    remember();
    await this.#offer(documents.filter((document) => ended.has(document.owner) && document !== own));
    this.#follow();
    if (own !== undefined) await guarded(() => this.#restore(own));
  }

  /** Offer documents, but not photos on which nothing was done. */
  async #offer(documents: KeptDocument[]): Promise<void> {
    const worked = documents.filter(({ states }) => states.length > 1);
    for (const document of documents) if (!worked.includes(document)) await this.#database.remove(document);
    this.#state.offers.value = worked
      .sort((one, other) => other.changed - one.changed)
      .map((document) => this.#offerOf(document));
  }

  #follow(): void {
    const { photo, history, saved, album } = this.#state;
    followOtherTabs();
    effect(() => {
      void [photo.value, history.value, saved.value, album.entries.value, keepsWork.value];
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.#write(), STILL);
    });
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") void this.#write(); // a phone may end the tab
    });
  }

  /** Write what has changed; one writing at a time. */
  async #write(): Promise<void> {
    this.#hasChanged = true;
    if (this.#isWriting) return;
    this.#isWriting = true;
    while (this.#hasChanged) {
      this.#hasChanged = false;
      const photo = this.#state.photo.peek();
      await this.#writeOnce().catch((error) => this.#report(error, photo));
    }
    this.#isWriting = false;
  }

  async #writeOnce(): Promise<void> {
    const state = this.#state;
    if (!keepsWork.peek()) return this.#forgetAll();
    const kept = keptFiles(state);
    for (const { file } of this.#documents.values()) if (!kept.has(file)) await this.#remove(file);
    const file = state.photo.peek()?.file;
    if (file === undefined || !kept.has(file)) return;
    await this.#update(this.#documents.get(file) ?? { id: randomName(), file, numbers: new Map(), isNew: true });
  }

  async #update(tracked: Tracked): Promise<void> {
    const { history, saved } = this.#state;
    const [now, savedWork] = [history.peek(), saved.peek()];
    const numbers = numbered(now, tracked.numbers);
    const added: [number, KeptPart][] = tracked.isNew ? [[0, tracked.file]] : [];
    for (const [part, number] of numbers) {
      if (!tracked.numbers.has(part)) added.push([number, await packed(part, numbers)]);
    }
    const removed = [...tracked.numbers].filter(([part]) => !numbers.has(part)).map(([, number]) => number);
    await askForRoom(added);
    const document: KeptDocument = {
      id: tracked.id,
      owner: THIS_LOAD,
      name: tracked.file.name,
      changed: Date.now(),
      states: packedStates(now, numbers),
      now: now.past.length,
      saved: savedWork === UNTOUCHED.now ? -1 : statesOf(now).indexOf(savedWork),
    };
    if (await this.#database.write(document, added, removed, tracked.isNew)) {
      this.#documents.set(tracked.file, { ...tracked, numbers, isNew: false });
      this.#isTold = null;
      if (document.states.length > 1) this.#askToStay();
    } else {
      this.#documents.delete(tracked.file); // another tab has it now: this one begins its own
      this.#hasChanged = true;
    }
  }

  /** Ask the browser not to remove the work when room runs out. */
  #askToStay(): void {
    if (this.#hasAsked) return;
    this.#hasAsked = true;
    navigator.storage?.persist?.().catch(() => {});
  }

  async #remove(file: File): Promise<void> {
    const id = this.#documents.get(file)?.id;
    if (id !== undefined) await this.#database.remove({ id, owner: THIS_LOAD });
    this.#documents.delete(file);
  }

  async #forgetAll(): Promise<void> {
    await this.#database.clear();
    this.#documents.clear();
    this.#state.offers.value = [];
  }

  /** Say once for each photo that there is no room; all else changes nothing for the user. */
  #report(error: unknown, photo: Photo | null): void {
    if (this.#state.photo.peek() !== photo) return; // its pictures were closed
    if (!(error instanceof DOMException && error.name === "QuotaExceededError")) {
      console.info("Onar: work is not kept:", error);
    } else if (this.#isTold !== photo) {
      this.#isTold = photo;
      complain(this.#state, () => say("keep_no_room"));
    }
  }

  #offerOf(document: KeptDocument): Offer {
    return {
      id: document.id,
      name: document.name,
      changed: new Date(document.changed),
      restore: () => this.#restore(document),
      throwAway: async () => {
        const { owner, id } = document;
        for (const each of [owner, THIS_LOAD]) await this.#database.remove({ id, owner: each });
        this.#drop(id);
      },
    };
  }

  #drop(id: string): void {
    const { offers } = this.#state;
    offers.value = offers.value.filter((offer) => offer.id !== id);
  }

  /** Open a document; where that fails, it is offered again. */
  async #restore(document: KeptDocument): Promise<void> {
    const state = this.#state;
    if (state.busy.value !== null || state.photo.value !== null) return;
    this.#drop(document.id);
    let isThere = true;
    await waitFor(
      state,
      "opening",
      async (signal, onProgress) => {
        isThere = await this.#database.claim(document.id, THIS_LOAD);
        const { file, parts } = photoAndParts(isThere ? await this.#database.parts(document.id) : new Map());
        if (file === undefined) throw new EngineError(() => say("keep_gone", { name: document.name }));
        state.preview.value = file;
        const photo = await state.engine.open(await held(file), onProgress, signal);
        return { photo, parts: await unpacked(parts) };
      },
      ({ photo, parts }) => this.#takeUp(document, photo, parts),
    );
    state.preview.value = null;
    if (state.photo.value === null && isThere) state.offers.value = [this.#offerOf(document), ...state.offers.value];
  }

  #takeUp(document: KeptDocument, photo: Photo, parts: Awaited<ReturnType<typeof unpacked>>): void {
    const state = this.#state;
    const history = unpackedHistory(document.states, document.now, parts);
    takeUp(state, photo);
    state.history.value = history;
    state.saved.value = statesOf(history)[document.saved] ?? UNTOUCHED.now;
    const numbers = new Map([...parts].map(([number, part]) => [part, number]));
    this.#documents.set(photo.file, { id: document.id, file: photo.file, numbers, isNew: false });
    const text = (): string => say("keep_restored", { name: document.name });
    state.message.value = {
      tone: "note",
      text,
      action: { name: () => say("keep_throw_away"), run: () => putAway(state) },
    };
  }
}

/** The files of photos whose work is kept: of the one that is shown until it is saved, of others with unsaved work. */
function keptFiles(state: State): Set<File> {
  const [photo, { entries, shown }] = [state.photo.peek(), state.album];
  const others = entries.peek().filter((entry) => entry !== shown.peek() && isEntryUnsaved(state, entry));
  const own = photo === null || isSaved(state) ? [] : [photo.file];
  return new Set([...own, ...others.map(({ file }) => file)]);
}

function photoAndParts(kept: Map<number, KeptPart>): { file: File | undefined; parts: Map<number, PackedPart> } {
  const file = kept.get(0);
  kept.delete(0);
  return { file: file instanceof File ? file : undefined, parts: kept as Map<number, PackedPart> };
}

/** Raises `QuotaExceededError` where parts do not fit. */
async function askForRoom(parts: [number, KeptPart][]): Promise<void> {
  const bytes = parts.reduce((sum, [, part]) => sum + sizeOf(part), 0);
  const { quota = Infinity, usage = 0 } = (await navigator.storage?.estimate?.()) ?? {};
  if (usage + bytes > quota) throw new DOMException(`${bytes} bytes`, "QuotaExceededError");
}
