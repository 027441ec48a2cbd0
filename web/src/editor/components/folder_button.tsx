import { Folder } from "lucide";
import type { JSX } from "preact";
import { keepFocus } from "../../components/button";
import { Icon } from "../../components/icon";
import { say } from "../../texts/texts";
import { openFolder, openFound, opensFolders, writesFolders } from "../folders";
import type { State } from "../state";
import { FileButton } from "./file_button";

/** Opens all photos of a folder, where the browser can. */
export function FolderButton({ state, class: look }: { state: State; class: string }): JSX.Element | null {
  const name = say("strip_open_folder");
  if (!opensFolders()) return null;
  if (writesFolders())
    return (
      <button
        type="button"
        class={look}
        aria-label={name}
        title={name}
        onMouseDown={keepFocus}
        onClick={() => openFolder(state)}
      >
        <Icon of={Folder} />
        <span>{name}</span>
      </button>
    );
  const open = (files: File[]): Promise<void> =>
    openFound(state, files[0]?.webkitRelativePath.split("/")[0] ?? name, files);
  return <FileButton class={look} icon={Folder} name={name} accept="" folder onFiles={open} />;
}
