/** The settings of generated masks, and what the server draws with them. */

import { language } from "../../texts/texts";

export const MASK_TYPES = ["irregular", "rectangle", "mixed", "object"] as const;
export type MaskType = (typeof MASK_TYPES)[number];

export interface MaskSettings {
  mask_type: MaskType;
  max_masks: number;
  max_size_ratio: number;
  max_thickness: number;
  /** Whether the holes go by their share of the photo, in place of `max_masks`. */
  by_share: boolean;
  lowest: number;
  highest: number;
  seed: number;
}

/** Those of `onar train` when nobody sets them. */
export const DEFAULTS: MaskSettings = {
  mask_type: "irregular",
  max_masks: 3,
  max_size_ratio: 0.3,
  max_thickness: 20,
  by_share: false,
  lowest: 0.1,
  highest: 0.3,
  seed: 0,
};

/** Numbers that are set by a slider. */
export type Amount = "max_masks" | "max_size_ratio" | "max_thickness" | "lowest" | "highest";

export const RANGES: Record<Amount, { min: number; max: number; step: number }> = {
  max_masks: { min: 1, max: 20, step: 1 },
  max_size_ratio: { min: 0.05, max: 1, step: 0.01 },
  max_thickness: { min: 1, max: 120, step: 1 },
  lowest: { min: 0.01, max: 0.9, step: 0.01 },
  highest: { min: 0.01, max: 0.9, step: 0.01 },
};

/** What the server answers. */
export interface MaskSamples {
  /** A `data:` URL. */
  sheet: string;
  columns: number;
  /** What share of its photo each mask covers. */
  shares: number[];
  flags: string;
}

/** Where masks with such settings are drawn; shares may be given in either order. */
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

/** A share as the reader writes it: 3.1% or %3,1. */
export function percent(share: number): string {
  return share.toLocaleString(language.value, { style: "percent", maximumFractionDigits: 1 });
}
