import type { IconNode } from "lucide";
import type { JSX } from "preact";
import { Icon } from "./icon";

interface Properties<T extends string> {
  name: string;
  icon: IconNode;
  value: T;
  options: readonly (readonly [T, string])[];
  onChoose(chosen: T): void;
}

/** A select in the header; in narrow windows only its icon is shown. */
export function Choice<T extends string>({ name, icon, value, options, onChoose }: Properties<T>): JSX.Element {
  return (
    <span class="choice" title={name}>
      <Icon of={icon} />
      <select aria-label={name} value={value} onChange={(event) => onChoose(event.currentTarget.value as T)}>
        {options.map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
    </span>
  );
}
