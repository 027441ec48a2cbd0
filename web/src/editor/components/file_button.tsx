import type { IconNode } from "lucide";
import type { JSX } from "preact";
import { Icon } from "../../components/icon";

interface Properties {
  name: string;
  /** A shorter visible label. */
  text?: string;
  icon: IconNode;
  accept: string;
  /** Whether to use the camera, if there is one. */
  camera?: boolean;
  /** Whether to choose a folder, of which all files are taken. */
  folder?: boolean;
  /** Whether several files can be chosen at once. */
  multiple?: boolean;
  class: string;
  onFiles(files: File[]): void;
}

/** A button that opens a file dialog. */
export function FileButton({
  name,
  text,
  icon,
  accept,
  camera,
  folder,
  multiple,
  onFiles,
  ...rest
}: Properties): JSX.Element {
  return (
    <label class={rest.class} title={name}>
      <Icon of={icon} />
      <span>{text ?? name}</span>
      <input
        type="file"
        class="unseen"
        aria-label={name}
        accept={accept}
        multiple={multiple}
        {...(folder ? { webkitdirectory: true } : {})}
        capture={camera ? "environment" : undefined}
        onChange={({ currentTarget }) => {
          const files = [...(currentTarget.files ?? [])];
          currentTarget.value = ""; // the same file can be chosen again
          onFiles(files);
        }}
      />
    </label>
  );
}
