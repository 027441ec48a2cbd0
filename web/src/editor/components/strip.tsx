import type { IconNode } from "lucide";
import {
  Brush,
  Check,
  ChevronLeft,
  ChevronRight,
  FileArchive,
  FolderDown,
  Image,
  Layers,
  TriangleAlert,
  WandSparkles,
  X,
} from "lucide";
import type { JSX, TargetedKeyboardEvent } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { IconButton, keepFocus } from "../../components/button";
import { Icon } from "../../components/icon";
import { say } from "../../texts/texts";
import { answerLeaving, canChange, leaveOut, type Status, show, showNext, statusOf } from "../album";
import type { Entry } from "../album_entries";
import { haveHomes, saveIntoFolder, saveZip } from "../album_saving";
import { fillAll, sameMask } from "../batches";
import { writesFolders } from "../folders";
import type { State } from "../state";
import { Dialog } from "./dialogs";

const ICONS: Record<Status, IconNode | null> = {
  untouched: null,
  marked: Brush,
  filled: WandSparkles,
  saved: Check,
  failed: TriangleAlert,
};

/** All photos as small pictures, and what is done to all of them. */
export function Strip({ state }: { state: State }): JSX.Element {
  const { shown } = state.album;
  const list = useRef<HTMLOListElement>(null);
  useEffect(() => {
    const item = list.current?.querySelector<HTMLElement>("li:has([aria-current])");
    if (list.current && item)
      list.current.scrollLeft = item.offsetLeft - (list.current.clientWidth - item.clientWidth) / 2;
  }, [shown.value]);
  const entries = state.album.entries.value;
  const isWaiting = !canChange(state);
  const number = shown.value === null ? 0 : entries.indexOf(shown.value) + 1;
  return (
    <nav class="strip floating" aria-label={say("strip_photos")} data-over>
      <IconButton
        icon={ChevronLeft}
        name={say("strip_previous")}
        shortcut="PageUp"
        disabled={isWaiting}
        onClick={() => showNext(state, -1)}
      />
      {/* the buttons' names have it, too */}
      <span class="strip-count" aria-hidden="true">
        {number > 0 && `${number} / ${entries.length}`}
      </span>
      <ol ref={list} onKeyDown={(event) => moveByKey(state, event)}>
        {entries.map((entry, at) => (
          <Item key={entry.id} state={state} entry={entry} number={at + 1} />
        ))}
      </ol>
      <IconButton
        icon={ChevronRight}
        name={say("strip_next")}
        shortcut="PageDown"
        disabled={isWaiting}
        onClick={() => showNext(state, 1)}
      />
      <fieldset class="strip-actions" aria-label={say("strip_all")}>
        <Action of="same_mask" icon={Layers} state={state} run={sameMask} />
        <Action of="fill_all" icon={WandSparkles} state={state} run={fillAll} />
        <Action of="save_all" icon={FileArchive} state={state} run={saveZip} />
        {writesFolders() && (
          <Action of={haveHomes(state) ? "back" : "to_folder"} icon={FolderDown} state={state} run={saveIntoFolder} />
        )}
      </fieldset>
    </nav>
  );
}

function Item({ state, entry, number }: { state: State; entry: Entry; number: number }): JSX.Element {
  const { album } = state;
  const status = statusOf(state, entry);
  const address = useAddress(entry.thumbnail.value);
  const { name } = entry.file;
  const isShown = album.shown.value === entry;
  const isFirst = album.shown.value === null && number === 1;
  const words = say("strip_photo", { number, count: album.entries.value.length, name, status: say(`strip_${status}`) });
  const why = entry.failure.value?.();
  const icon = ICONS[status];
  return (
    <li data-status={status}>
      <button
        type="button"
        class="strip-photo"
        aria-label={why === undefined ? words : `${words}. ${why}`}
        aria-current={isShown ? "true" : undefined}
        aria-disabled={!canChange(state)}
        title={why === undefined ? words : `${words}\n${why}`}
        tabIndex={isShown || isFirst ? 0 : -1}
        onMouseDown={keepFocus}
        onClick={() => canChange(state) && show(state, entry)}
      >
        {address === null ? <Icon of={Image} /> : <img src={address} alt="" />}
        {icon !== null && (
          <span class="strip-status">
            <Icon of={icon} size={14} />
          </span>
        )}
      </button>
      <button
        type="button"
        class="strip-leave"
        aria-label={say("strip_leave_out", { name })}
        title={say("strip_leave_out", { name })}
        tabIndex={isShown ? 0 : -1}
        onMouseDown={keepFocus}
        onClick={() => leaveOut(state, entry)}
      >
        <Icon of={X} size={14} />
      </button>
    </li>
  );
}

/** An address of a picture for as long as it is shown. */
function useAddress(content: Blob | null): string | null {
  const address = useMemo(() => content && URL.createObjectURL(content), [content]);
  useEffect(() => () => void (address && URL.revokeObjectURL(address)), [address]);
  return address;
}

/** Arrow keys, Home and End move the focus along the photos; Delete leaves one out. */
function moveByKey(state: State, event: TargetedKeyboardEvent<HTMLOListElement>): void {
  const photos = [...event.currentTarget.querySelectorAll<HTMLElement>(".strip-photo")];
  const at = photos.findIndex((photo) => photo.parentElement?.contains(event.target as Element));
  const to: Record<string, number> = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: photos.length - 1 };
  if (event.key === "Delete") void leaveOut(state, state.album.entries.value[at]);
  else if (event.key in to) photos[to[event.key]]?.focus();
  else return;
  event.preventDefault();
}

interface ActionProperties {
  of: "same_mask" | "fill_all" | "save_all" | "to_folder" | "back";
  icon: IconNode;
  state: State;
  run(state: State): void;
}

function Action({ of, icon, state, run }: ActionProperties): JSX.Element {
  const name = say(`strip_${of}_label`);
  return (
    <button
      type="button"
      class="button small"
      aria-label={name}
      title={name}
      aria-disabled={!canChange(state)}
      onMouseDown={keepFocus}
      onClick={() => run(state)}
    >
      <Icon of={icon} />
      <span>{say(`strip_${of}`)}</span>
    </button>
  );
}

/** Asks whether a photo with unsaved work may be left out. */
export function LeaveQuestion({ state }: { state: State }): JSX.Element | null {
  const entry = state.album.leaving.value;
  if (entry === null) return null;
  return (
    <Dialog title={say("complete_unsaved")} class="question" onClose={() => answerLeaving(state, false)}>
      <p>{say("strip_leave_help", { name: entry.file.name })}</p>
      <div class="dialog-buttons">
        <button type="button" class="button primary" onClick={() => answerLeaving(state, false)}>
          {say("complete_keep")}
        </button>
        <button type="button" class="button" onClick={() => answerLeaving(state, true)}>
          {say("strip_leave_anyway")}
        </button>
      </div>
    </Dialog>
  );
}
