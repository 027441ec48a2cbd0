import type { JSX } from "preact";
import { keepFocus } from "../../components/button";
import type { Rect } from "../../engine/engine";
import { say } from "../../texts/texts";
import { cropSeen, RATIOS, setCrop, setCropNumber, setRatio } from "../cropping";
import type { State } from "../state";

const NUMBERS: (keyof Rect)[] = ["left", "top", "width", "height"];

/** Ratio and numbers of the crop. */
export function CropOptions({ state }: { state: State }): JSX.Element {
  const crop = cropSeen(state);
  return (
    <div class="stamp crop">
      <select
        aria-label={say("crop_ratio")}
        title={say("crop_ratio")}
        value={String(state.ratio.value)}
        onChange={({ currentTarget: { value } }) => setRatio(state, value === "null" ? null : Number(value))}
      >
        <option value="null">{say("crop_free")}</option>
        <option value="0">{say("crop_photo")}</option>
        {RATIOS.map(([name, ratio]) => (
          <option key={name} value={String(ratio)}>
            {name}
          </option>
        ))}
      </select>
      {NUMBERS.map((name) => (
        <input
          key={name}
          type="number"
          min={0}
          aria-label={say(`crop_${name}`)}
          title={say(`crop_${name}`)}
          value={crop[name]}
          onChange={({ currentTarget }) => {
            setCropNumber(state, name, currentTarget.valueAsNumber);
            currentTarget.value = String(cropSeen(state)[name]);
          }}
        />
      ))}
      <button
        type="button"
        class="button small"
        aria-disabled={state.work.value.crop === undefined}
        onMouseDown={keepFocus}
        onClick={() => setCrop(state, null)}
      >
        {say("crop_whole")}
      </button>
    </div>
  );
}
