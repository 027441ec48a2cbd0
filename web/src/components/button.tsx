import type { IconNode } from "lucide";
import type { JSX } from "preact";
import { Icon } from "./icon";

interface Properties {
  icon: IconNode;
  /** What a screen reader says, and what is seen when the pointer rests. */
  name: string;
  /** A key that does the same, shown with the name. */
  shortcut?: string;
  disabled?: boolean;
  /** Of a button that stays pressed. */
  pressed?: boolean;
  /** Of a button that shows and hides something. */
  expanded?: boolean;
  class?: string;
  onClick(): void;
}

/** A mouse that presses a button leaves the focus where it is: on the photo, where the keys go on. */
export function keepFocus(event: Event): void {
  event.preventDefault();
}

/** A button that is seen as a drawing. */
export function IconButton({
  icon,
  name,
  shortcut,
  disabled,
  pressed,
  expanded,
  onClick,
  ...rest
}: Properties): JSX.Element {
  return (
    <button
      type="button"
      class={`icon-button ${rest.class ?? ""}`}
      aria-label={name}
      aria-pressed={pressed}
      aria-expanded={expanded}
      aria-disabled={disabled}
      title={shortcut === undefined ? name : `${name} (${shortcut})`}
      onMouseDown={keepFocus}
      onClick={() => disabled || onClick()}
    >
      <Icon of={icon} />
    </button>
  );
}
