/** When the page looks otherwise: what is drawn with the page's colours on a canvas is then drawn anew. */

import { signal } from "@preact/signals";

/** Changes with the look of the page. */
export const looks = signal(0);

let observed = false;

/** Notice from now on when the page turns dark or light, by the computer's setting or by choice. */
export function noticeLooks(): void {
  if (observed) return;
  observed = true;
  const changed = () => {
    looks.value += 1;
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  new MutationObserver(changed).observe(document.documentElement, { attributes: true });
}
