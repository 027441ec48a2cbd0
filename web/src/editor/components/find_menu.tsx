import { ScanSearch, X } from "lucide";
import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { IconButton, keepFocus } from "../../components/button";
import { Icon } from "../../components/icon";
import type { FindChoice } from "../../site";
import { say } from "../../texts/texts";
import { canChange } from "../album";
import { findInEach } from "../batches";
import { find, nameOfKind, toggleFinder, want, wantedOf } from "../finding";
import type { State } from "../state";

/** Opens the menu of finding. */
export function FindButton({ state }: { state: State }): JSX.Element | null {
  if (state.site.finds.length === 0) return null;
  return (
    <button
      type="button"
      class="icon-button find-button"
      aria-label={say("find_title")}
      aria-expanded={state.finder.value}
      title={`${say("find_title")} (D)`}
      onMouseDown={keepFocus}
      onClick={() => toggleFinder(state)}
    >
      <Icon of={ScanSearch} />
      <span>{say("find")}</span>
    </button>
  );
}

/** The kinds to find, the sensitivity, and the start. */
export function FindMenu({ state }: { state: State }): JSX.Element {
  const element = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    element.current?.focus();
    return () => before?.focus();
  }, []);
  const onKey = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || (event.target as Element).matches("button")) return;
    event.preventDefault(); // which would fill
    void find(state);
  };
  return (
    <section ref={element} class="find-menu floating" aria-label={say("find_title")} tabIndex={-1} onKeyDown={onKey}>
      <fieldset>
        <legend class="unseen">{say("find_what")}</legend>
        {state.site.finds.map((choice) => (
          <Kind key={choice.name} state={state} choice={choice} />
        ))}
      </fieldset>
      <Sensitivity state={state} />
      <div class="find-start">
        <button
          type="button"
          class="button primary"
          aria-disabled={state.busy.value !== null || wantedOf(state).length === 0}
          onClick={() => find(state)}
        >
          <Icon of={ScanSearch} />
          <span>{say("find")}</span>
        </button>
        {state.album.isOpen.value && (
          <button
            type="button"
            class="button"
            aria-disabled={!canChange(state) || wantedOf(state).length === 0}
            onClick={() => findInEach(state)}
          >
            {say("strip_find_in_each")}
          </button>
        )}
        <IconButton icon={X} name={say("page_close")} onClick={() => toggleFinder(state)} />
      </div>
      {state.site.finds.map(
        ({ name, missing }) =>
          missing !== null && (
            <p key={name} id={`find-${name}`} class="quiet">
              {say("find_missing", { name: nameOfKind(name), extra: missing })}
            </p>
          ),
      )}
    </section>
  );
}

function Kind({ state, choice: { name, missing } }: { state: State; choice: FindChoice }): JSX.Element {
  return (
    <label class="check">
      <input
        type="checkbox"
        disabled={missing !== null}
        checked={missing === null && state.wanted.value.includes(name)}
        aria-describedby={missing === null ? undefined : `find-${name}`}
        onChange={(event) => want(state, name, event.currentTarget.checked)}
      />
      <span class={missing === null ? "" : "missing"}>{nameOfKind(name)}</span>
    </label>
  );
}

function Sensitivity({ state }: { state: State }): JSX.Element {
  const percent = Math.round(100 * state.sensitivity.value);
  return (
    <label class="find-sensitivity">
      <span>{say("find_sensitivity")}</span>
      <input
        type="range"
        min={0}
        max={100}
        step={5}
        value={percent}
        aria-valuetext={say("complete_share", { percent })}
        onInput={(event) => {
          state.sensitivity.value = event.currentTarget.valueAsNumber / 100;
        }}
      />
      <span aria-hidden="true">{say("complete_share", { percent })}</span>
    </label>
  );
}
