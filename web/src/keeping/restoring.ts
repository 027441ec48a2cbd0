/** Taking up the work of earlier visits. */

import { closeAll, show } from "../editor/album";
import { type Entry, entryOf } from "../editor/album_entries";
import { statesOf, UNTOUCHED } from "../editor/document";
import { rememberHome } from "../editor/folders";
import { identityOf } from "../editor/parking";
import { type State, waitFor } from "../editor/state";
import { drawThumbnails } from "../editor/thumbnails";
import { EngineError, type Line } from "../engine/engine";
import { say } from "../texts/texts";
import type { Database, KeptDocument, KeptPart } from "./database";
import { type Numbers, type PackedPart, unpacked, unpackedHistory } from "./packing";
import { endedOf, endedRestoring, enter, guarded, remember, THIS_LOAD } from "./tab";

/** Work of another visit that can be restored. */
export interface Offer {
  /** Of its first document. */
  id: string;
  /** The photo, or how many there are. */
  name: Line;
  changed: Date;
  restore(): Promise<void>;
  throwAway(): Promise<void>;
}

/** A photo that came back. */
export interface Restored {
  /** Of its document. */
  id: string;
  file: File;
  numbers: Numbers;
  entry: Entry;
  isShown: boolean;
}

/** The photos of one visit. */
type Visit = readonly KeptDocument[];

export class Visits {
  readonly #state: State;
  readonly #database: Database;
  readonly #adopt: (restored: Restored) => void;

  /**
   * @param adopt - called for each photo that came back
   */
  constructor(state: State, database: Database, adopt: (restored: Restored) => void) {
    this.#state = state;
    this.#database = database;
    this.#adopt = adopt;
  }

  /**
   * Offer work of visits that ended, and restore that of the tab's last load.
   *
   * @param isFree - false when another photo is to be opened: then that work is offered, too
   * @param follow - called before anything is restored
   */
  async begin(isFree: boolean, follow: () => void): Promise<void> {
    const last = await enter();
    const wasRestoring = endedRestoring();
    const documents = await this.#database.documents();
    const ended = await endedOf(documents.map(({ owner }) => owner));
    const visits = new Map<string, KeptDocument[]>();
    for (const document of documents) visits.set(document.owner, [...(visits.get(document.owner) ?? []), document]);
    const own = isFree && !wasRestoring && last !== null ? visits.get(last) : undefined;
    remember();
    await this.#offer([...visits.values()].filter((visit) => visit !== own && ended.has(visit[0].owner)));
    follow();
    if (own !== undefined) await guarded(() => this.#restore(own));
  }

  /** Offer visits, but not those in which nothing was left unsaved. */
  async #offer(visits: Visit[]): Promise<void> {
    const worked = visits.filter((visit) => visit.some(({ states, now, saved }) => states.length > 1 && now !== saved));
    for (const visit of visits) if (!worked.includes(visit)) await this.#remove(visit);
    this.#state.offers.value = worked
      .map((visit) => this.#offerOf(visit))
      .sort((one, other) => other.changed.getTime() - one.changed.getTime());
  }

  #offerOf(visit: Visit): Offer {
    return {
      id: visit[0].id,
      name: nameOf(visit),
      changed: new Date(Math.max(...visit.map(({ changed }) => changed))),
      restore: () => this.#restore(visit),
      throwAway: async () => {
        await this.#remove(visit);
        this.#drop(visit);
      },
    };
  }

  async #remove(visit: Visit): Promise<void> {
    for (const owner of [visit[0].owner, THIS_LOAD]) await this.#database.remove(idsOf(visit), owner);
  }

  #drop([first]: Visit): void {
    const { offers } = this.#state;
    offers.value = offers.value.filter(({ id }) => id !== first.id);
  }

  /** Open the photos of a visit; where none can be opened, they are offered again. */
  async #restore(visit: Visit): Promise<void> {
    const state = this.#state;
    if (state.busy.value !== null || state.photo.value !== null) return;
    this.#drop(visit);
    let claimed: KeptDocument[] = [];
    let restored: Restored[] = [];
    await waitFor(
      state,
      "opening",
      async () => {
        claimed = await this.#database.claim(idsOf(visit), THIS_LOAD);
        return this.#read(claimed.sort(byPlace), nameOf(visit));
      },
      (read) => {
        restored = read;
      },
    );
    if (restored.length > 0) await this.#show(restored);
    if (state.photo.value !== null) this.#report(claimed);
    else if (claimed.length > 0 && !state.album.isOpen.value)
      state.offers.value = [this.#offerOf(claimed), ...state.offers.value];
  }

  /** The photos of documents, without those that are gone. */
  async #read(documents: readonly KeptDocument[], name: Line): Promise<Restored[]> {
    const read = [];
    for (const document of documents) read.push(await restoredOf(document, await this.#database.parts(document.id)));
    const there = read.filter((one) => one !== null);
    if (there.length === 0) throw new EngineError(() => say("keep_gone", { name: name() }));
    return there;
  }

  async #show(restored: readonly Restored[]): Promise<void> {
    const { album } = this.#state;
    const { entry } = restored.find(({ isShown }) => isShown) ?? restored[0];
    const isStrip = restored.length > 1;
    if (isStrip) {
      for (const one of restored) this.#adopt(one);
      album.entries.value = restored.map((one) => one.entry);
      void drawThumbnails(this.#state, album.entries.value);
    }
    const outcome = await show(this.#state, entry);
    if (isStrip) return;
    if (outcome === "done") this.#adopt(restored[0]);
    album.shown.value = null; // one photo alone has no strip
  }

  #report(visit: Visit): void {
    const state = this.#state;
    const key = visit.length > 1 ? "keep_all_restored" : "keep_restored";
    state.message.value = {
      tone: "note",
      text: () => say(key, { name: nameOf(visit)() }),
      action: { name: () => say("keep_throw_away"), run: () => closeAll(state) },
    };
  }
}

function idsOf(visit: Visit): string[] {
  return visit.map(({ id }) => id);
}

function byPlace(one: KeptDocument, other: KeptDocument): number {
  return (one.place ?? 0) - (other.place ?? 0);
}

/** The photo, or the first one and how many more there are. */
function nameOf(visit: Visit): Line {
  const [{ name }] = [...visit].sort(byPlace);
  const count = visit.length - 1;
  return () => (count === 0 ? name : say("strip_more", { names: name, count }));
}

/** A photo with its work; null without its file. */
async function restoredOf(document: KeptDocument, kept: Map<number, KeptPart>): Promise<Restored | null> {
  const file = kept.get(0);
  kept.delete(0);
  if (!(file instanceof File)) return null;
  const parts = await unpacked(kept as Map<number, PackedPart>);
  const { id, size = null, opens = true, failure, thumbnail = null, isShown = true } = document; // older ones lack some
  const entry = Object.assign(entryOf(file), { size, opens });
  const history = unpackedHistory(document.states, document.now, parts);
  const saved = statesOf(history)[document.saved] ?? UNTOUCHED.now;
  if (document.states.length > 1) entry.parked.value = { history, saved };
  if (failure) entry.failure.value = () => failure;
  entry.thumbnail.value = thumbnail;
  rememberHome(file, document.home ?? null);
  const numbers = new Map([...parts].map(([number, part]) => [identityOf(part), number]));
  return { id, file, numbers, entry, isShown };
}
