import type { TextKey } from "./english";

export const turkish: Record<TextKey, string> = {
  tab_complete: "Boşluk doldur",
  tab_watch: "Eğitimi izle",
  tab_masks: "Maskeler",
};
