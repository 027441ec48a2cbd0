/** Keeping unsaved work in the browser, so that it outlives a reload, a crash, or a phone that ends the tab. */

import { effect } from "@preact/signals";
import { type Filled, statesOf, UNTOUCHED } from "../editor/document";
import { identityOf } from "../editor/parking";
import { complain, type State } from "../editor/state";
import { originalOf } from "../engine/copies";
import { followOtherTabs, keepsWork } from "../preferences";
import { say } from "../texts/texts";
import { Database, type KeptDocument, type KeptPart } from "./database";
import { areDone, areSaved, type Item, isAlike, itemsOf } from "./items";
import { type Numbers, numbered, packed, packedStates, partsOf, sizeOf } from "./packing";
import { type Restored, Visits } from "./restoring";
import { randomName, THIS_LOAD } from "./tab";

/** Milliseconds between a change and its writing, in which further ones are awaited. */
const STILL = 400;

/** The written state of a photo. */
interface Tracked {
  id: string;
  /** Of the parts. */
  numbers: Numbers;
  /** Null after restoring. */
  item: Item | null;
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
  /** The documents of this load, by their original files. */
  readonly #documents = new Map<File, Tracked>();
  /** Ids of all documents that are written, also of those whose first writing is not over. */
  readonly #ids = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The fills of the photo that is shown, when its work was seen last. */
  #fills: readonly Filled[] = [];
  #isWriting = false;
  /** Whether something changed since the last writing began. */
  #hasChanged = false;
  /** Whether it was said that there is no room. */
  #isTold = false;
  #hasAsked = false;

  constructor(state: State, database: Database) {
    this.#state = state;
    this.#database = database;
  }

  async begin(isFree: boolean): Promise<void> {
    if (!keepsWork.peek()) await this.#database.clear();
    const visits = new Visits(this.#state, this.#database, (restored) => this.#adopt(restored));
    await visits.begin(isFree, () => this.#follow());
  }

  #adopt({ id, file, numbers }: Restored): void {
    this.#documents.set(originalOf(file), { id, numbers, item: null });
    this.#ids.add(id);
  }

  #follow(): void {
    followOtherTabs();
    effect(() => {
      void [itemsOf(this.#state), keepsWork.value];
      const { fills } = this.#state.work.value;
      const isFilled = fills.length > this.#fills.length;
      this.#fills = fills;
      if (isFilled) clearTimeout(this.#timer); // it took seconds, and is written without awaiting more
      if (isFilled || this.#timer === undefined)
        this.#timer = setTimeout(() => void this.#write(), isFilled ? 0 : STILL);
    });
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") void this.#write(); // a phone may end the tab
    });
    addEventListener("pagehide", () => {
      if (this.#ids.size === 0 || !areDone(itemsOf(this.#state))) return;
      this.#database.removeAtEnd([...this.#ids]);
      this.#documents.clear();
      this.#ids.clear();
    });
  }

  /** Write what has changed; one writing at a time. */
  async #write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#hasChanged = true;
    if (this.#isWriting) return;
    this.#isWriting = true;
    while (this.#hasChanged) {
      this.#hasChanged = false;
      await this.#writeOnce().catch((error) => console.info("Onar: work is not kept:", error));
    }
    this.#isWriting = false;
  }

  async #writeOnce(): Promise<void> {
    if (!keepsWork.peek()) return this.#forgetAll();
    const open = itemsOf(this.#state);
    const items = areSaved(open) ? [] : open;
    await this.#removeOthers(items);
    let isRoom = true;
    for (const item of items) {
      if (this.#hasChanged) return; // the newest work comes first
      if (!(await this.#isWritten(item))) isRoom = false;
    }
    if (isRoom) this.#isTold = false;
    else this.#complain();
  }

  /** Remove documents of photos that are no longer open. */
  async #removeOthers(items: readonly Item[]): Promise<void> {
    const files = new Set(items.map(({ file }) => originalOf(file)));
    const gone = [...this.#documents].filter(([file]) => !files.has(file));
    await this.#database.remove(
      gone.map(([, { id }]) => id),
      THIS_LOAD,
    );
    for (const [file] of gone) this.#documents.delete(file);
  }

  /** Write an item if it has changed; returns false where there is no room for it. */
  async #isWritten(item: Item): Promise<boolean> {
    const tracked = this.#documents.get(originalOf(item.file)) ?? null;
    if (tracked?.item && isAlike(tracked.item, item)) return true;
    try {
      await this.#update(item, tracked);
    } catch (error) {
      if (error instanceof DOMException && error.name === "QuotaExceededError") return false;
      console.info("Onar: work is not kept:", error); // such as pictures that were closed, or a file that is gone
    }
    return true;
  }

  async #update(item: Item, tracked: Tracked | null): Promise<void> {
    const parts = partsOf(item.history);
    const known: Numbers = tracked?.numbers ?? new Map();
    const numbers = numbered(parts, known);
    const added: [number, KeptPart][] = tracked === null ? [[0, item.file]] : [];
    for (const part of parts) {
      const number = numbers.get(identityOf(part)) as number;
      if (!known.has(identityOf(part))) added.push([number, await packed(part, numbers)]);
    }
    const removed = [...known].filter(([part]) => !numbers.has(part)).map(([, number]) => number);
    await askForRoom(added);
    const document = documentOf(item, numbers, tracked?.id ?? randomName());
    this.#ids.add(document.id);
    const original = originalOf(item.file);
    if (await this.#database.write(document, added, removed, tracked === null)) {
      this.#documents.set(original, { id: document.id, numbers, item });
      if (document.states.length > 1) this.#askToStay();
    } else {
      this.#ids.delete(document.id);
      this.#documents.delete(original); // another tab has it now: this one begins its own
      this.#hasChanged = true;
    }
  }

  /** Ask the browser not to remove the work when room runs out. */
  #askToStay(): void {
    if (this.#hasAsked) return;
    this.#hasAsked = true;
    navigator.storage?.persist?.().catch(() => {});
  }

  async #forgetAll(): Promise<void> {
    await this.#database.clear();
    this.#documents.clear();
    this.#state.offers.value = [];
  }

  /** Say once that there is no room. */
  #complain(): void {
    if (!this.#isTold) complain(this.#state, () => say("keep_no_room"));
    this.#isTold = true;
  }
}

function documentOf({ file, history, saved, ...item }: Item, numbers: Numbers, id: string): KeptDocument {
  return {
    ...item,
    id,
    owner: THIS_LOAD,
    name: file.name,
    changed: Date.now(),
    states: packedStates(history, numbers),
    now: history.past.length,
    saved: saved === UNTOUCHED.now ? -1 : statesOf(history).indexOf(saved),
    failure: item.failure?.() ?? null,
  };
}

/** Raises `QuotaExceededError` where parts do not fit. */
async function askForRoom(parts: [number, KeptPart][]): Promise<void> {
  const bytes = parts.reduce((sum, [, part]) => sum + sizeOf(part), 0);
  const { quota = Infinity, usage = 0 } = (await navigator.storage?.estimate?.()) ?? {};
  if (usage + bytes > quota) throw new DOMException(`${bytes} bytes`, "QuotaExceededError");
}
