/** Keys as the keyboards of this system label them. */

/** Macs have ⌘ in the place of Ctrl. */
const isMac = /Mac|iPhone|iPad/.test(navigator.platform);

const LABELS: Record<string, string> = { Escape: "Esc", PageDown: "Page Down", PageUp: "Page Up" };

/** A shortcut such as "Ctrl+Shift+z", as it is labelled. */
export function labelled(shortcut: string): string {
  if (shortcut === "+") return shortcut;
  const [last, ...modifiers] = shortcut.split("+").reverse();
  const key = LABELS[last] ?? (last.length === 1 ? last.toUpperCase() : last);
  return [...modifiers.reverse().map(ofSystem), key].join(isMac ? "" : "+");
}

function ofSystem(modifier: string): string {
  if (!isMac) return modifier;
  return { Ctrl: "⌘", Shift: "⇧", Alt: "⌥" }[modifier] ?? modifier;
}
