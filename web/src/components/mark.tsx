import type { JSX } from "preact";

/** Onar's logo: a tile whose missing corner is put back. */
export function Mark({ size }: { size: number }): JSX.Element {
  return (
    <svg class="mark" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <path d="M8 3h16a5 5 0 0 1 5 5v7.5h-5.5a8 8 0 0 0-8 8V29H8a5 5 0 0 1-5-5V8a5 5 0 0 1 5-5z" fill="currentColor" />
      <path class="mark-piece" d="M29 18.5V24a5 5 0 0 1-5 5h-5.5v-5.5a5 5 0 0 1 5-5z" />
    </svg>
  );
}
