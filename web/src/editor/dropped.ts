/** The photos in what is dropped on the page, folders included. */

import { EngineError } from "../engine/engine";
import type { Site } from "../site";
import { say } from "../texts/texts";

/** Endings of photos that most browsers do not read: the strip says so. */
const UNREADABLE = [".heic", ".heif", ".tif", ".tiff"];

/** The files, and of folders the photos by name; raises `EngineError` for folders without photos. */
export async function filesIn(dropped: DataTransfer, site: Site): Promise<File[]> {
  const files = [...dropped.files]; // before anything is awaited: the event's data ends with it
  const entries = [...dropped.items].map((item) => (item.kind === "file" ? item.webkitGetAsEntry() : null));
  const folders = entries.filter((entry): entry is FileSystemDirectoryEntry => entry?.isDirectory ?? false);
  if (folders.length === 0) return files;
  const names = new Set(folders.map(({ name }) => name));
  const inside = photosAmong((await Promise.all(folders.map(filesBelow))).flat(), site);
  const all = [...files.filter(({ name }) => !names.has(name)), ...inside];
  if (all.length === 0) throw new EngineError(() => say("strip_no_photos", { name: folders[0].name }));
  return all;
}

/** The photos among the files of a folder, by name. */
export function photosAmong(files: readonly File[], site: Site): File[] {
  return files.filter((file) => isPhoto(file, site)).sort(byName);
}

function byName(one: File, other: File): number {
  return one.name.localeCompare(other.name, undefined, { numeric: true });
}

function isPhoto({ name, type }: File, site: Site): boolean {
  if (name.startsWith(".")) return false;
  const ending = name.slice(name.lastIndexOf(".")).toLowerCase();
  return type.startsWith("image/") || (site.engine === "server" ? site.readable : UNREADABLE).includes(ending);
}

async function filesBelow(folder: FileSystemDirectoryEntry): Promise<File[]> {
  const reader = folder.createReader();
  const files: File[] = [];
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return files; // each call reads a part
    for (const entry of entries) {
      if (entry.isDirectory) files.push(...(await filesBelow(entry as FileSystemDirectoryEntry)));
      else files.push(await fileOf(entry as FileSystemFileEntry));
    }
  }
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}
