export const english = {
  tab_complete: "Fill holes",
  tab_watch: "Watch a training",
  tab_masks: "Masks",
};

export type TextKey = keyof typeof english;
