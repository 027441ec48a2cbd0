/** Folders of photos: opening them, and which one a photo is from. */

import { originalOf } from "../engine/copies";
import { EngineError } from "../engine/engine";
import { say } from "../texts/texts";
import { openFiles } from "./album";
import { photosAmong } from "./dropped";
import { complain, lineOf, type State } from "./state";

type Picker = (options: { mode: "read" | "readwrite"; id: string }) => Promise<FileSystemDirectoryHandle>;

/** Browsers that write into files of the user ask for permission. */
type Asking = FileSystemDirectoryHandle & {
  requestPermission(options: { mode: "readwrite" }): Promise<PermissionState>;
};

const homes = new WeakMap<File, FileSystemDirectoryHandle>();

/** Whether this browser writes into folders. */
export function writesFolders(): boolean {
  return "showDirectoryPicker" in window;
}

/** Whether this browser opens folders by a button. */
export function opensFolders(): boolean {
  return writesFolders() || "webkitdirectory" in HTMLInputElement.prototype;
}

/** Ask for a folder; null where none was chosen. */
export async function pickFolder(mode: "read" | "readwrite"): Promise<FileSystemDirectoryHandle | null> {
  const pick = (window as unknown as { showDirectoryPicker: Picker }).showDirectoryPicker;
  return pick({ mode, id: "onar" }).catch(() => null);
}

/** The folder of a photo, if results can be written there. */
export function homeOf(file: File): FileSystemDirectoryHandle | null {
  return homes.get(originalOf(file)) ?? null;
}

export function rememberHome(file: File, folder: FileSystemDirectoryHandle | null): void {
  if (folder !== null) homes.set(originalOf(file), folder);
}

/** Ask whether results may be written into a folder; to be called in a click. */
export async function mayWrite(folder: FileSystemDirectoryHandle): Promise<boolean> {
  return (await (folder as Asking).requestPermission({ mode: "readwrite" })) === "granted";
}

/** Open the photos in a folder that is chosen. */
export async function openFolder(state: State): Promise<void> {
  const folder = await pickFolder("read");
  if (folder === null) return;
  try {
    await openFound(state, folder.name, await filesBelow(folder));
  } catch (error) {
    complain(state, lineOf(error));
  }
}

/** Open the photos among the files of a folder. */
export async function openFound(state: State, name: string, files: readonly File[]): Promise<void> {
  const photos = photosAmong(files, state.site);
  if (photos.length === 0) complain(state, () => say("strip_no_photos", { name }));
  else await openFiles(state, photos);
}

async function filesBelow(folder: FileSystemDirectoryHandle): Promise<File[]> {
  const files: File[] = [];
  try {
    for await (const inside of folder.values()) {
      if (inside instanceof FileSystemDirectoryHandle) files.push(...(await filesBelow(inside)));
      else files.push(await inside.getFile());
    }
  } catch (error) {
    throw new EngineError(() => say("complete_no_file", { name: folder.name }), { cause: error });
  }
  for (const file of files) if (!homes.has(file)) homes.set(file, folder); // those of folders in it have theirs
  return files;
}
