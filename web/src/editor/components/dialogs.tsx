import { X } from "lucide";
import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { IconButton } from "../../components/button";
import { labelled } from "../../components/keys";
import { letterKeys } from "../../preferences";
import type { TextKey } from "../../texts/english";
import { say } from "../../texts/texts";
import { SHORTCUTS } from "../keyboard";
import { answer } from "../opening";
import type { State } from "../state";

interface Properties {
  title: string;
  class: string;
  onClose(): void;
  children: ComponentChildren;
}

/** A dialog that is open while it is rendered; Escape closes it and restores the focus. */
export function Dialog({ title, onClose, children, ...rest }: Properties): JSX.Element {
  const element = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close(); // which restores the focus: an open dialog traps it
  }, []);
  return (
    <dialog ref={element} class={rest.class} aria-labelledby="dialog-title" onClose={onClose}>
      <h2 id="dialog-title">{title}</h2>
      {children}
    </dialog>
  );
}

/** Asks whether unsaved work may be discarded. */
export function Question({ state }: { state: State }): JSX.Element | null {
  const received = state.waiting.value;
  if (received === null) return null;
  return (
    <Dialog title={say("complete_unsaved")} class="question" onClose={() => answer(state, false)}>
      <p>{say("complete_unsaved_help", { name: received.name })}</p>
      <div class="dialog-buttons">
        <button type="button" class="button primary" onClick={() => answer(state, false)}>
          {say("complete_keep")}
        </button>
        <button type="button" class="button" onClick={() => answer(state, true)}>
          {say("complete_open_anyway")}
        </button>
      </div>
    </Dialog>
  );
}

const ON_CANVAS: [TextKey, TextKey][] = [
  ["complete_name_arrows", "complete_key_arrows"],
  ["complete_name_space", "complete_key_space"],
  ["complete_name_shift_space", "complete_key_line"],
];
const BY_POINTER: [TextKey, TextKey][] = [
  ["complete_name_shift_click", "complete_key_line"],
  ["stamp_name_alt_click", "stamp_set"],
  ["complete_name_clicks", "complete_key_corners"],
  ["complete_name_wheel", "complete_key_wheel"],
  ["complete_name_alt_wheel", "complete_key_alt_wheel"],
  ["complete_name_shift_wheel", "complete_key_shift_wheel"],
  ["complete_name_space_drag", "complete_key_space_drag"],
  ["complete_name_right", "complete_key_right"],
  ["complete_name_fingers", "complete_key_fingers"],
];

/** Lists every key and gesture. */
export function Help({ state }: { state: State }): JSX.Element | null {
  if (!state.help.value) return null;
  const close = (): void => {
    state.help.value = false;
  };
  return (
    <Dialog title={say("complete_help")} class="help" onClose={close}>
      <IconButton icon={X} name={say("page_close")} class="dialog-close" onClick={close} />
      <p>{say("complete_intro")}</p>
      <Keys title={say("complete_keys_everywhere")}>
        {SHORTCUTS.map(({ keys, text }) => [keys.map(labelled).join(" / "), say(text)])}
      </Keys>
      <Keys title={say("complete_keys_on_canvas")}>{ON_CANVAS.map(([key, text]) => [say(key), say(text)])}</Keys>
      <Keys title={say("complete_keys_pointer")}>{BY_POINTER.map(([key, text]) => [say(key), say(text)])}</Keys>
      <label class="check">
        <input
          type="checkbox"
          checked={letterKeys.value}
          onChange={(event) => {
            letterKeys.value = event.currentTarget.checked;
          }}
        />
        <span>{say("complete_letter_keys")}</span>
      </label>
    </Dialog>
  );
}

function Keys({ title, children }: { title: string; children: string[][] }): JSX.Element {
  return (
    <section>
      <h3>{title}</h3>
      <dl>
        {children.map(([key, text]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
