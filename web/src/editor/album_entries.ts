/** The photos of the strip, as signals; one photo alone has no strip. */

import { computed, type Signal, signal } from "@preact/signals";
import type { Line } from "../engine/engine";
import type { Parked } from "./parking";
import type { Size } from "./steps";

export interface Entry {
  readonly id: number;
  /** As chosen; a copy in memory once there is work on it, because a file may be changed or removed meanwhile. */
  file: File;
  isCopy: boolean;
  /** False once it could not be opened. */
  opens: boolean;
  /** Null until the photo was decoded. */
  size: Size | null;
  /** The work on it while another photo is shown. */
  readonly parked: Signal<Parked | null>;
  /** Why it could not be opened, filled or saved. */
  readonly failure: Signal<Line | null>;
  /** A small picture, with its fills. */
  readonly thumbnail: Signal<Blob | null>;
}

/** Work on several photos, one after the other. */
export interface Batch {
  /** From 1 on. */
  number: number;
  count: number;
}

export interface Album {
  readonly entries: Signal<readonly Entry[]>;
  readonly shown: Signal<Entry | null>;
  readonly batch: Signal<Batch | null>;
  /** Asked about, because unsaved work on it would be lost. */
  readonly leaving: Signal<Entry | null>;
  /** Whether there is a strip. */
  readonly isOpen: { readonly value: boolean };
}

export function createAlbum(): Album {
  const entries = signal<readonly Entry[]>([]);
  return {
    entries,
    shown: signal<Entry | null>(null),
    batch: signal<Batch | null>(null),
    leaving: signal<Entry | null>(null),
    isOpen: computed(() => entries.value.length > 0),
  };
}

let made = 0;

export function entryOf(file: File): Entry {
  return {
    id: made++,
    file,
    isCopy: false,
    opens: true,
    size: null,
    parked: signal<Parked | null>(null),
    failure: signal<Line | null>(null),
    thumbnail: signal<Blob | null>(null),
  };
}
