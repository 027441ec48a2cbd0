import { X } from "lucide";
import type { JSX } from "preact";
import { IconButton, keepFocus } from "../../components/button";
import { say } from "../../texts/texts";
import { slide } from "../looking";
import { type Busy, cancel, isFilling, type State } from "../state";

/** The status in one line, which screen readers announce. */
export function Messages({ state }: { state: State }): JSX.Element {
  const message = state.message.value;
  const busy = state.busy.value;
  const note = message?.tone === "note" ? message.text() : "";
  const error = message?.tone === "error" ? message.text() : "";
  return (
    <div
      class={`messages floating ${busy !== null || message !== null ? "" : "silent"} ${busy?.what === "cloning" ? "late" : ""}`}
    >
      <p role="status">{busy === null ? note : <Waiting state={state} busy={busy} />}</p>
      <p role="alert" class="error">
        {error}
      </p>
      <p aria-live="polite" class="unseen">
        {state.spoken.value()}
      </p>
      {busy !== null && hasBar(busy) && <progress aria-label={wordsOf(busy)} {...reached(busy)} />}
      {busy !== null && !isFilling(state) && (
        <IconButton icon={X} name={say("complete_cancel")} shortcut="Esc" onClick={() => cancel(state)} />
      )}
      {busy === null && message?.action && (
        <button type="button" class="button small" onMouseDown={keepFocus} onClick={() => message.action?.run()}>
          {message.action.name()}
        </button>
      )}
      {busy === null && message !== null && (
        <IconButton
          icon={X}
          name={say("page_close")}
          class="dismiss"
          onClick={() => {
            state.message.value = null;
          }}
        />
      )}
    </div>
  );
}

/** The pending work, announced again at every quarter. */
function Waiting({ state, busy }: { state: State; busy: Busy }): JSX.Element {
  const quarter = Math.floor((busy.progress.share ?? 0) * 4) * 25;
  return (
    <>
      {state.album.batch.value !== null && `${say("strip_batch", { ...state.album.batch.value })} `}
      {wordsOf(busy)}
      {busy.progress.bytes && <span aria-hidden="true"> {loadedOf(busy.progress.bytes)}</span>}
      {quarter > 0 && <span class="unseen"> {say("complete_share", { percent: quarter })}</span>}
    </>
  );
}

/** The pending work, or what precedes it: sending, loading, compiling. */
function wordsOf({ what, progress: { doing } }: Busy): string {
  return say(doing === "working" ? `complete_busy_${what}` : `complete_busy_${doing}`);
}

function loadedOf({ received, total }: { received: number; total: number }): string {
  return say("complete_loaded", { received: received / 1e6, total: total / 1e6 });
}

/** Whether the progress is known. */
function hasBar({ what, progress: { doing } }: Busy): boolean {
  return what === "filling" || what === "extending" || what === "finding" || doing !== "working";
}

function reached({ progress: { share } }: Busy): { value?: number } {
  return share === null ? {} : { value: share };
}

/** The comparison slider, for keyboards and screen readers. */
export function SplitSlider({ state }: { state: State }): JSX.Element {
  const percent = Math.round(state.split.value * 100);
  return (
    <div class="split floating">
      <span>{say("complete_before")}</span>
      <input
        type="range"
        min={0}
        max={100}
        value={percent}
        aria-label={say("complete_split")}
        aria-valuetext={say("complete_share", { percent })}
        onInput={(event) => slide(state, event.currentTarget.valueAsNumber / 100)}
      />
      <span>{say("complete_after")}</span>
    </div>
  );
}
