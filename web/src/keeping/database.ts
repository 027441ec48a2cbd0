/** The browser's database of unsaved work, IndexedDB. */

import type { Size } from "../editor/steps";
import type { PackedPart, PackedWork } from "./packing";

const NAME = "onar work";
const DOCUMENTS = "documents";
/** By document and number. */
const PARTS = "parts";

/** Unsaved work on a photo, without its parts; the photos of a strip have one owner. */
export interface KeptDocument {
  id: string;
  /** The load of the page that works on it. */
  owner: string;
  /** The photo's file name. */
  name: string;
  /** When it was written last, in milliseconds since 1970. */
  changed: number;
  /** The history, from the oldest state on. */
  states: PackedWork[];
  /** Of the states, the current one. */
  now: number;
  /** Of the states, the one that was saved last; -1 for none. */
  saved: number;
  /** Its order in the strip. */
  place: number;
  isShown: boolean;
  /** Of the upright photo; null until it was decoded. */
  size: Size | null;
  /** False once it could not be opened. */
  opens: boolean;
  /** Why it could not be opened, filled or saved. */
  failure: string | null;
  thumbnail: Blob | null;
  /** Where it is from, if results can be written there. */
  home: FileSystemDirectoryHandle | null;
}

/** A part, or with number 0 the photo's file. */
export type KeptPart = PackedPart | File;

export class Database {
  readonly #connection: IDBDatabase;

  private constructor(connection: IDBDatabase) {
    this.#connection = connection;
    connection.onversionchange = () => connection.close(); // a newer page has another version
  }

  /** Open the database; null where the browser has none, or forbids it. */
  static async open(): Promise<Database | null> {
    try {
      const request = indexedDB.open(NAME, 1);
      request.onupgradeneeded = () => {
        request.result.createObjectStore(DOCUMENTS, { keyPath: "id" });
        request.result.createObjectStore(PARTS);
      };
      return new Database(await resultOf(request));
    } catch {
      return null;
    }
  }

  documents(): Promise<KeptDocument[]> {
    return resultOf(this.#connection.transaction(DOCUMENTS).objectStore(DOCUMENTS).getAll());
  }

  /** All parts of a document, by their numbers. */
  async parts(id: string): Promise<Map<number, KeptPart>> {
    const store = this.#connection.transaction(PARTS).objectStore(PARTS);
    const [keys, parts] = await Promise.all([
      resultOf(store.getAllKeys(allOf(id))),
      resultOf<KeptPart[]>(store.getAll(allOf(id))),
    ]);
    return new Map(keys.map((key, at) => [(key as [string, number])[1], parts[at]]));
  }

  /** Make documents another owner's; returns those that are still there. */
  async claim(ids: readonly string[], owner: string): Promise<KeptDocument[]> {
    return this.#change(async (documents) => {
      const all: KeptDocument[] = await resultOf(documents.getAll());
      const own = all.filter(({ id }) => ids.includes(id)).map((document) => ({ ...document, owner }));
      for (const document of own) documents.put(document);
      return own;
    });
  }

  /**
   * Write a document and what is new of it, all or nothing.
   *
   * @param isNew - whether it was never written before
   * @returns false, and nothing is written, where it was removed or has another owner by now
   */
  write(document: KeptDocument, added: [number, KeptPart][], removed: number[], isNew: boolean): Promise<boolean> {
    return this.#change(async (documents, parts) => {
      const before: KeptDocument | undefined = await resultOf(documents.get(document.id));
      if (!isNew && before?.owner !== document.owner) return false;
      for (const number of removed) parts.delete([document.id, number]);
      for (const [number, part] of added) parts.put(part, [document.id, number]);
      documents.put(document);
      return true;
    });
  }

  /** Remove documents that have this owner. */
  async remove(ids: readonly string[], owner: string): Promise<void> {
    if (ids.length === 0) return;
    await this.#change(async (documents, parts) => {
      const all: KeptDocument[] = await resultOf(documents.getAll());
      for (const document of all) {
        if (document.owner !== owner || !ids.includes(document.id)) continue;
        documents.delete(document.id);
        parts.delete(allOf(document.id));
      }
    });
  }

  /** Remove documents while the page ends: nothing is awaited, and the browser completes it. */
  removeAtEnd(ids: readonly string[]): void {
    const transaction = this.#connection.transaction([DOCUMENTS, PARTS], "readwrite");
    for (const id of ids) {
      transaction.objectStore(DOCUMENTS).delete(id);
      transaction.objectStore(PARTS).delete(allOf(id));
    }
    transaction.commit();
  }

  /** Remove all documents. */
  async clear(): Promise<void> {
    await this.#change(async (documents, parts) => {
      documents.clear();
      parts.clear();
    });
  }

  async #change<T>(change: (documents: IDBObjectStore, parts: IDBObjectStore) => Promise<T>): Promise<T> {
    const transaction = this.#connection.transaction([DOCUMENTS, PARTS], "readwrite");
    const ended = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
    });
    const [result] = await Promise.all([
      change(transaction.objectStore(DOCUMENTS), transaction.objectStore(PARTS)),
      ended,
    ]);
    return result;
  }
}

function allOf(id: string): IDBKeyRange {
  return IDBKeyRange.bound([id], [id, []]);
}

function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
