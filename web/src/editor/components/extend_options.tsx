import type { JSX } from "preact";
import type { Margins, Photo } from "../../engine/engine";
import { hasMargins, largerBy } from "../../engine/margins";
import { say } from "../../texts/texts";
import { MUCH } from "../extending";
import { MAX_MARGIN, marginsSeen, newPercent, setMargin } from "../margins";
import type { State } from "../state";

const SIDES: (keyof Margins)[] = ["left", "top", "right", "bottom"];

/** Margins in numbers, and what they make of the photo. */
export function ExtendOptions({ state, photo }: { state: State; photo: Photo }): JSX.Element {
  const margins = marginsSeen(state);
  const { width, height } = largerBy(photo, margins);
  const percent = newPercent(state, margins);
  const much = percent > MUCH;
  const text = say(much ? "extend_size_much" : "extend_size", { width, height, percent });
  return (
    <fieldset class="stamp crop extend">
      <legend class="unseen">{say("extend_margins")}</legend>
      {SIDES.map((side) => (
        <label key={side}>
          <span>{say(`extend_${side}`)}</span>
          <input
            type="number"
            inputMode="numeric"
            min={0}
            max={MAX_MARGIN}
            value={margins[side]}
            onChange={({ currentTarget }) => {
              setMargin(state, side, currentTarget.valueAsNumber);
              currentTarget.value = String(state.margins.value[side]);
            }}
          />
        </label>
      ))}
      <p class={much ? "much" : ""} aria-live={state.live.value === null ? "polite" : "off"}>
        {hasMargins(margins) ? text : say("extend_none")}
      </p>
    </fieldset>
  );
}
