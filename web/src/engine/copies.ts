/** Copies of files in memory, because files may be changed or removed meanwhile. */

import { say } from "../texts/texts";
import { EngineError } from "./engine";

const originals = new WeakMap<File, File>();

/** A copy of a file; raises `EngineError` when it cannot be read, such as a folder. */
export async function held(file: File): Promise<File> {
  try {
    const copy = new File([await file.arrayBuffer()], file.name, { type: file.type });
    originals.set(copy, originalOf(file));
    return copy;
  } catch (error) {
    throw new EngineError(() => say("complete_no_file", { name: file.name }), { cause: error });
  }
}

/** The file that was chosen, of a copy of it; browsers refuse to read one that has changed since. */
export function originalOf(file: File): File {
  return originals.get(file) ?? file;
}
