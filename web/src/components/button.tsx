import type { IconNode } from "lucide";
import type { JSX } from "preact";
import { Icon } from "./icon";
import { labelled } from "./keys";

interface Properties {
  icon: IconNode;
  /** Accessible name and tooltip. */
  name: string;
  /** Keyboard shortcut, shown with the name. */
  shortcut?: string;
  disabled?: boolean;
  /** Of a toggle button. */
  pressed?: boolean;
  /** Of a button that expands something. */
  expanded?: boolean;
  class?: string;
  onClick(): void;
}

/** A mouse click does not move the focus, so that keys still go to the photo. */
export function keepFocus(event: Event): void {
  event.preventDefault();
}

/** An icon button. */
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
      title={shortcut === undefined ? name : `${name} (${labelled(shortcut)})`}
      onMouseDown={keepFocus}
      onClick={() => disabled || onClick()}
    >
      <Icon of={icon} />
    </button>
  );
}
