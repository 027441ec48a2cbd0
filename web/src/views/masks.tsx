import { type Signal, useSignal } from "@preact/signals";
import { type ComponentChildren, Fragment, type JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { labelled } from "../components/keys";
import type { Line } from "../engine/engine";
import { problemIn, sentence } from "../problems";
import { say, show } from "../texts/texts";
import { latest } from "./mask_samples/latest";
import {
  type Amount,
  addressOf,
  DEFAULTS,
  MASK_TYPES,
  type MaskSamples,
  type MaskSettings,
  maskTypeLabel,
  percent,
  RANGES,
  summary,
} from "./mask_samples/settings";
import "./masks.css";

const MOMENT_MS = 150;

/** A preview of generated masks. */
export function MasksView(): JSX.Element {
  const settings = useSignal<MaskSettings>(DEFAULTS);
  const samples = useSignal<MaskSamples | null>(null);
  const problem = useSignal<Line | null>(null);
  useDrawing(settings, samples, problem);
  return (
    <main class="masks">
      <p class="masks-help">{say("masks_help")}</p>
      <div class="masks-columns">
        <Settings settings={settings} />
        <div class="masks-drawn">
          {problem.value && (
            <p class="masks-problem" role="alert">
              {problem.value()}
            </p>
          )}
          {samples.value && <Drawn samples={samples.value} type={settings.value.mask_type} />}
        </div>
      </div>
    </main>
  );
}

/** Have masks drawn whenever the settings change. */
function useDrawing(
  settings: Signal<MaskSettings>,
  samples: Signal<MaskSamples | null>,
  problem: Signal<Line | null>,
): void {
  useEffect(() => {
    const drawing = latest(async (wanted: MaskSettings, signal: AbortSignal) => {
      try {
        const answer = await fetch(addressOf(wanted), { signal });
        if (answer.ok) {
          samples.value = await answer.json();
          problem.value = null;
        } else {
          const found = await problemIn(answer);
          problem.value = () => sentence(found);
        }
      } catch {
        signal.throwIfAborted();
        problem.value = () => say("masks_no_answer");
      }
    }, MOMENT_MS);
    const unsubscribe = settings.subscribe(drawing.ask);
    return () => {
      unsubscribe();
      drawing.stop();
    };
  }, [settings, samples, problem]);
}

function Settings({ settings }: { settings: Signal<MaskSettings> }): JSX.Element {
  const now = settings.value;
  const set = (change: Partial<MaskSettings>) => {
    settings.value = { ...settings.value, ...change };
  };
  const slider = (name: Amount, children: ComponentChildren, format: (value: number) => string = show) => (
    <Slider name={name} value={now[name]} format={format} onInput={(value) => set({ [name]: value })}>
      {children}
    </Slider>
  );
  return (
    <form class="masks-settings" aria-label={say("masks_settings")} onSubmit={(event) => event.preventDefault()}>
      <fieldset>
        <legend>{say("masks_type")}</legend>
        {MASK_TYPES.map(([type, shapes]) => (
          <label key={type}>
            <input
              type="radio"
              name="mask_type"
              checked={now.mask_type === type}
              onChange={() => set({ mask_type: type })}
            />
            {maskTypeLabel(type, shapes)}
          </label>
        ))}
      </fieldset>
      {!now.by_share && slider("max_masks", say("masks_most"))}
      {slider("max_size_ratio", say("masks_size"), percent)}
      {slider("max_thickness", say("masks_thickness"))}
      <label>
        <input
          type="checkbox"
          checked={now.by_share}
          onChange={(event) => set({ by_share: event.currentTarget.checked })}
        />
        {say("masks_by_share")}
      </label>
      {now.by_share && slider("lowest", say("masks_lowest"), percent)}
      {now.by_share && slider("highest", say("masks_highest"), percent)}
      <button type="button" class="button" onClick={() => set({ seed: now.seed + 1 })}>
        {say("masks_another")}
      </button>
    </form>
  );
}

interface SliderOf {
  name: Amount;
  value: number;
  format: (value: number) => string;
  onInput: (value: number) => void;
  children: ComponentChildren;
}

function Slider({ name, value, format, onInput, children }: SliderOf): JSX.Element {
  const id = useId();
  return (
    <p class="masks-slider">
      <label for={id}>{children}</label>
      <output for={id}>{format(value)}</output>
      <input
        id={id}
        type="range"
        {...RANGES[name]}
        value={value}
        aria-valuetext={format(value)}
        onInput={(event) => onInput(event.currentTarget.valueAsNumber)}
      />
    </p>
  );
}

function Drawn({ samples, type }: { samples: MaskSamples; type: string }): JSX.Element {
  const { low, high, mean } = summary(samples.shares);
  return (
    <>
      <figure>
        <figcaption>{say("masks_sheet")}</figcaption>
        <img src={samples.sheet} alt={say("masks_picture", { count: samples.shares.length, type })} />
      </figure>
      <p role="status">{say("masks_shares", { low: percent(low), high: percent(high), mean: percent(mean) })}</p>
      <Flags flags={samples.flags} />
    </>
  );
}

function Flags({ flags }: { flags: string }): JSX.Element {
  const text = useRef<HTMLElement>(null);
  const status = useSignal("");
  useEffect(() => {
    status.value = "";
  }, [flags, status]);
  const copy = async () => {
    if (await copied(flags)) status.value = say("masks_copied");
    else {
      getSelection()?.selectAllChildren(text.current as HTMLElement);
      status.value = say("masks_not_copied", { key: labelled("Ctrl+C") });
    }
  };
  return (
    <figure class="masks-flags">
      <figcaption>{say("masks_flags")}</figcaption>
      <code ref={text}>
        {flags.split(/ (?=--)/).map((flag, index) => (
          <Fragment key={flag}>
            {index > 0 && " "}
            <span>{flag}</span>
          </Fragment>
        ))}
      </code>
      <p>
        <button type="button" class="button" onClick={copy}>
          {say("masks_copy")}
        </button>{" "}
        <span role="status">{status.value}</span>
      </p>
    </figure>
  );
}

/** Copy a text to the clipboard, which browsers allow on localhost and over HTTPS; returns whether it worked. */
async function copied(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
