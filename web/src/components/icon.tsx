/** Icons of buttons, by Lucide. */

import type { IconNode } from "lucide";
import { h, type JSX } from "preact";

/** An icon, hidden from screen readers: the element around it has a name. */
export function Icon({ of, size = 20 }: { of: IconNode; size?: number }): JSX.Element {
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.75"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {of.map(([tag, attributes], at) => h(tag, { ...attributes, key: at }))}
    </svg>
  );
}
