/** Interfaces of the networks and of PatchMatch. */

import type { Task } from "./copying";
import type { Photo } from "./pixels";

/** A network on windows of one size: photo N·H·W·3 in [0, 1], 0 in the holes, known N·H·W (1 = known) → N·H·W·3. */
export type Network = (
  photo: Float32Array,
  known: Float32Array,
  shape: { count: number; height: number; width: number },
) => Promise<Float32Array>;

/** Blends three fills H·W·3 in [0, 1], a network's and two of patches, with known H·W (1 = known) → H·W·3 of any size. */
export type Blend = (
  network: Float32Array,
  patches: Float32Array,
  coarsePatches: Float32Array,
  known: Float32Array,
  shape: { height: number; width: number },
) => Promise<Float32Array>;

/**
 * PatchMatch, as `copy_patches` in `onar/fills/patches.py`: photo H·W·3 with its holes filled, hole H·W (255 = hole) →
 * H·W·3.
 *
 * There may be no known pixels.
 */
export type CopyPatches = (
  photo: Uint8Array,
  hole: Uint8Array,
  shape: { height: number; width: number },
  radius: number,
  seed: number,
) => Promise<Uint8Array>;

/** Copies texture, see `copyTexture` in copying.ts. */
export type CopyTexture = (task: Task, signal: AbortSignal) => Promise<Photo>;

export interface Generator {
  network: Network;
  /** Side in pixels of the crops that the network was trained on. */
  trainingSize: number;
  /** Sides are padded to multiples of it. */
  step: number;
  /** Maximum side of a photo, where the network has one. */
  maxSide?: number | null;
  /** Its fills have texture of their own. */
  draws?: boolean;
}

export interface Tools extends Generator {
  blend: Blend | null;
  copyTexture: CopyTexture | null;
}
