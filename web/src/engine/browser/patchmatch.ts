/** PatchMatch by WebAssembly (web/native): patches of the photo itself instead of a smooth fill. */

import type { CopyPatches } from "./tools";

/** Exports of web/native/patchmatch.cpp. */
interface Exports {
  memory: WebAssembly.Memory;
  _initialize(): void;
  malloc(bytes: number): number;
  fill(photo: number, hole: number, height: number, width: number, radius: number, seed: number): void;
}

/**
 * As `onar/fills/patches.py`, which runs the same program.
 *
 * @param module - `patchmatch.wasm`
 */
export function loadPatchMatch(module: WebAssembly.Module): CopyPatches {
  return async (photo, hole, { height, width }, radius, seed) => {
    // Each fill has its own memory, so that of a large one is freed.
    const { memory, ...code } = await instantiate(module);
    const photoAt = code.malloc(photo.length) >>> 0;
    const holeAt = code.malloc(hole.length) >>> 0;
    if (photoAt === 0 || holeAt === 0) throw new RangeError("out of memory");
    new Uint8Array(memory.buffer).set(photo, photoAt);
    new Uint8Array(memory.buffer).set(hole, holeAt);
    code.fill(photoAt, holeAt, height, width, radius, seed);
    return new Uint8Array(memory.buffer).slice(photoAt, photoAt + photo.length);
  };
}

async function instantiate(module: WebAssembly.Module): Promise<Exports> {
  const instance = await WebAssembly.instantiate(module, {
    env: { emscripten_notify_memory_growth: () => {} },
    wasi_snapshot_preview1: {
      proc_exit: (code: number) => {
        throw new RangeError(`PatchMatch ended with ${code}`); // it only imports memory
      },
    },
  });
  const code = instance.exports as unknown as Exports;
  code._initialize();
  return code;
}
