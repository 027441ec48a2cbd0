import { CircleQuestionMark, Download, FolderOpen, SlidersHorizontal } from "lucide";
import type { JSX } from "preact";
import { IconButton, keepFocus } from "../../components/button";
import { Icon } from "../../components/icon";
import { labelled } from "../../components/keys";
import { say } from "../../texts/texts";
import { openFiles } from "../album";
import { liftAndSave } from "../painting";
import { isReady, type State } from "../state";
import { readable } from "./empty";
import { FileButton } from "./file_button";
import { FolderButton } from "./folder_button";

/** Actions on the whole photo, in the header of the page. */
export function Actions({ state }: { state: State }): JSX.Element {
  const help = (
    <IconButton
      icon={CircleQuestionMark}
      name={say("complete_help")}
      shortcut="?"
      onClick={() => {
        state.help.value = true;
      }}
    />
  );
  if (state.photo.value === null) return help;
  return (
    <>
      <FileButton
        class="button plain"
        icon={FolderOpen}
        name={say("complete_other_photo")}
        accept={readable(state)}
        multiple
        onFiles={(files) => openFiles(state, files)}
      />
      <FolderButton state={state} class="button plain folder" />
      <button
        type="button"
        class="button plain"
        title={`${say("complete_download")} (${labelled("Ctrl+S")})`}
        aria-label={say("complete_download")}
        aria-disabled={!isReady(state)}
        onMouseDown={keepFocus}
        onClick={() => liftAndSave(state)}
      >
        <Icon of={Download} />
        <span>{say("complete_download")}</span>
      </button>
      <IconButton
        icon={SlidersHorizontal}
        name={say("complete_options")}
        expanded={state.panel.value}
        onClick={() => {
          state.panel.value = !state.panel.value;
        }}
      />
      {help}
    </>
  );
}
