/** Settings of generated masks, and the server's samples. */

import shared from "../../shared.json";
import { language, nameOf } from "../../texts/texts";

const { MASK_TYPES: SHAPES, MAX_MASKS, MAX_SIZE_RATIO, MAX_THICKNESS } = shared.mask_settings;
const { MIN_SIZE_RATIO, MAX_HOLE_RATIO } = shared.mask_samples;

export const MASK_TYPES = Object.entries(SHAPES);

/** A mask type with what it draws, in the language of the page. */
export function maskTypeLabel(type: string, shapes: string): string {
  return `${type}: ${nameOf(type, shapes)}`;
}

export interface MaskSettings {
  mask_type: string;
  max_masks: number;
  max_size_ratio: number;
  max_thickness: number;
  /** Whether holes are drawn until they cover a share of the photo, instead of `max_masks`. */
  by_share: boolean;
  lowest: number;
  highest: number;
  seed: number;
}

/** The defaults of `onar train`. */
export const DEFAULTS: MaskSettings = {
  mask_type: "irregular",
  max_masks: MAX_MASKS,
  max_size_ratio: MAX_SIZE_RATIO,
  max_thickness: MAX_THICKNESS,
  by_share: false,
  lowest: 0.1,
  highest: 0.3,
  seed: 0,
};

/** Settings with a slider. */
export type Amount = "max_masks" | "max_size_ratio" | "max_thickness" | "lowest" | "highest";

export const RANGES: Record<Amount, { min: number; max: number; step: number }> = {
  max_masks: { min: 1, max: 20, step: 1 },
  max_size_ratio: { min: MIN_SIZE_RATIO, max: 1, step: 0.01 },
  max_thickness: { min: 1, max: 120, step: 1 },
  lowest: { min: 0.01, max: MAX_HOLE_RATIO, step: 0.01 },
  highest: { min: 0.01, max: MAX_HOLE_RATIO, step: 0.01 },
};

/** The server's answer. */
export interface MaskSamples {
  /** A `data:` URL. */
  sheet: string;
  columns: number;
  /** Share of holes of each mask. */
  shares: number[];
  flags: string;
}

/** URL of masks with these settings; shares may be in either order. */
export function addressOf(settings: MaskSettings): string {
  const { by_share, lowest, highest, ...others } = settings;
  const query = new URLSearchParams(Object.entries(others).map(([name, value]) => [name, String(value)]));
  if (by_share)
    for (const share of [Math.min(lowest, highest), Math.max(lowest, highest)])
      query.append("hole_ratio", String(share));
  return `api/masks?${query}`;
}

/** The lowest, the highest and the mean share. */
export function summary(shares: number[]): { low: number; high: number; mean: number } {
  return {
    low: Math.min(...shares),
    high: Math.max(...shares),
    mean: shares.reduce((sum, share) => sum + share, 0) / shares.length,
  };
}

/** A share in the notation of the language: 3.1% or %3,1. */
export function percent(share: number): string {
  return share.toLocaleString(language.value, { style: "percent", maximumFractionDigits: 1 });
}
