/** PatchMatch: holes filled with patches of the photo itself, by pypatchmatch's C++ (web/native). */

import type { CopyPatches } from "./inpaint";

/** What a photo becomes that is all hole. */
const MID_GREY = 128;

/** What web/native/patchmatch.cpp gives out. */
interface Exports {
  memory: WebAssembly.Memory;
  _initialize(): void;
  malloc(bytes: number): number;
  free(pointer: number): void;
  fill(photo: number, hole: number, height: number, width: number, radius: number, seed: number): void;
}

/**
 * What `onar.patchmatch` does: the same seed gives the same picture.
 *
 * @param binary - `patchmatch.wasm`
 */
export async function loadPatchMatch(binary: BufferSource): Promise<CopyPatches> {
  const module = await WebAssembly.compile(binary);
  return async (photo, hole, { height, width }, radius, seed) => {
    const start = startFrom(photo, hole);
    if (start === null) return new Uint8Array(photo.length).fill(MID_GREY);
    // Each fill has a memory of its own: what a large one took is given back.
    const { memory, ...code } = await instantiate(module);
    const photoAt = code.malloc(start.length);
    const holeAt = code.malloc(hole.length);
    if (photoAt === 0 || holeAt === 0) throw new RangeError("out of memory");
    new Uint8Array(memory.buffer).set(start, photoAt);
    new Uint8Array(memory.buffer).set(hole, holeAt);
    code.fill(photoAt, holeAt, height, width, radius, seed);
    return new Uint8Array(memory.buffer).slice(photoAt, photoAt + start.length);
  };
}

/** The photo with the mean of what is known in its holes; null when nothing is known. */
function startFrom(photo: Uint8Array, hole: Uint8Array): Uint8Array | null {
  const sums = [0, 0, 0];
  let count = 0;
  for (let pixel = 0; pixel < hole.length; pixel++) {
    if (hole[pixel]) continue;
    for (let channel = 0; channel < 3; channel++) sums[channel] += photo[3 * pixel + channel];
    count++;
  }
  if (count === 0) return null;
  const means = Uint8ClampedArray.from(sums, (sum) => sum / count);
  const start = photo.slice();
  for (let pixel = 0; pixel < hole.length; pixel++) if (hole[pixel]) start.set(means, 3 * pixel);
  return start;
}

async function instantiate(module: WebAssembly.Module): Promise<Exports> {
  const instance = await WebAssembly.instantiate(module, {
    env: { emscripten_notify_memory_growth: () => {} },
    wasi_snapshot_preview1: {
      proc_exit: (code: number) => {
        throw new RangeError(`PatchMatch ended with ${code}`); // there is nothing but memory that it can want
      },
    },
  });
  const code = instance.exports as unknown as Exports;
  code._initialize();
  return code;
}
