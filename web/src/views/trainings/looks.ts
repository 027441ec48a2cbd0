/** Changes of the theme, after which canvases are redrawn. */

import { signal } from "@preact/signals";

/** Changes with the theme. */
export const looks = signal(0);

let observed = false;

/** Watch the theme, of the system or by choice. */
export function noticeLooks(): void {
  if (observed) return;
  observed = true;
  const changed = () => {
    looks.value += 1;
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  new MutationObserver(changed).observe(document.documentElement, { attributes: true });
}
