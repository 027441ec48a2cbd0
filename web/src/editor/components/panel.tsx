import { type Signal, useSignal } from "@preact/signals";
import type { IconNode } from "lucide";
import { ClipboardPaste, Contrast, Copy, Download, Expand, ImageUp, Save, Shrink, Trash2, X } from "lucide";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { IconButton } from "../../components/button";
import { Icon } from "../../components/icon";
import type { Texture } from "../../engine/engine";
import { say } from "../../texts/texts";
import { changesOf } from "../changes";
import { clearMask, growMask, invertMask, loadMask, pasteMask, saveMask } from "../mask_actions";
import { liftAndCopy, liftAndSave } from "../painting";
import { isReady, jumpTo, type State } from "../state";
import { aboutWeights } from "../weights";
import { FileButton } from "./file_button";
import { KeepSwitch } from "./kept";

/** As the server takes them. */
const MAX_FEATHER = 1000;
const MAX_SEED = 2 ** 32 - 1;

const TEXTURES: Texture[] = ["auto", "network", "patches"];

/** Options: filling, the whole mask, the output file. */
export function Panel({ state }: { state: State }): JSX.Element {
  const element = useRef<HTMLElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    element.current?.focus();
    return () => before?.focus();
  }, []);
  return (
    <aside ref={element} class="panel floating" aria-label={say("complete_options")} tabIndex={-1} data-over>
      <div class="panel-head">
        <h2>{say("complete_options")}</h2>
        <IconButton
          icon={X}
          name={say("page_close")}
          onClick={() => {
            state.panel.value = false;
          }}
        />
      </div>
      <Filling state={state} />
      <MaskActions state={state} />
      <Changes state={state} />
      <Saving state={state} />
    </aside>
  );
}

function Filling({ state }: { state: State }): JSX.Element {
  const { site, texture, feather, seed, weights, chosenWeights, fillsOnLift } = state;
  return (
    <section aria-labelledby="panel-filling">
      <h3 id="panel-filling">{say("complete_filling")}</h3>
      <label class="check">
        <input
          type="checkbox"
          checked={fillsOnLift.value}
          onChange={(event) => {
            fillsOnLift.value = event.currentTarget.checked;
          }}
        />
        <span>{say("complete_fills_on_lift")}</span>
      </label>
      {site.copies ? (
        <Select
          name={say("complete_texture")}
          value={texture.value}
          options={TEXTURES.map((name) => [name, say(`complete_texture_${name}`)])}
          onChoose={(chosen) => {
            texture.value = chosen as Texture;
          }}
        />
      ) : (
        <p class="quiet">{say("complete_no_copies")}</p>
      )}
      <div class="pairs">
        <Whole name={say("complete_feather")} of={feather} least={0} most={MAX_FEATHER} />
        {site.copies && <Whole name={say("complete_seed")} of={seed} least={0} most={MAX_SEED} />}
      </div>
      {site.weights.length > 1 && (
        <Select
          name={say("complete_weights")}
          value={weights.value.name}
          about="panel-weights"
          options={site.weights.map(({ name }) => [name, name])}
          onChoose={(chosen) => {
            chosenWeights.value = chosen;
          }}
        />
      )}
      <p id="panel-weights" class="quiet">
        {aboutWeights(weights.value)}
      </p>
    </section>
  );
}

function MaskActions({ state }: { state: State }): JSX.Element {
  const reach = useSignal(4);
  return (
    <section aria-labelledby="panel-mask">
      <h3 id="panel-mask">{say("complete_mask")}</h3>
      <div class="pairs">
        <FileButton
          class="button small"
          icon={ImageUp}
          name={say("complete_load_mask_label")}
          text={say("complete_load_mask")}
          accept="image/*"
          onFiles={([file]) => loadMask(state, file)}
        />
        <Action of="paste_mask" icon={ClipboardPaste} onClick={() => pasteMask(state)} />
        <Action of="save_mask" icon={Save} onClick={() => saveMask(state)} />
        <Action of="invert" icon={Contrast} onClick={() => invertMask(state)} />
        <Action of="clear" icon={Trash2} onClick={() => clearMask(state)} />
        <Action of="grow" icon={Expand} onClick={() => growMask(state, reach.value)} />
        <Action of="shrink" icon={Shrink} onClick={() => growMask(state, -reach.value)} />
      </div>
      <Whole name={say("complete_grow_by")} of={reach} least={1} most={500} />
      <p class="quiet">{say("complete_mask_help")}</p>
    </section>
  );
}

/** A field for a whole number. */
function Whole({ name, of, least, most }: { name: string; of: Signal<number>; least: number; most: number }) {
  return (
    <label class="field">
      <span>{name}</span>
      <input
        type="number"
        min={least}
        max={most}
        value={of.value}
        onChange={({ currentTarget }) => {
          of.value = Math.min(most, Math.max(least, Math.round(currentTarget.valueAsNumber) || least));
          currentTarget.value = String(of.value);
        }}
      />
    </label>
  );
}

/** All that was done, to go back or forward to. */
function Changes({ state }: { state: State }): JSX.Element | null {
  const { past, future } = state.history.value;
  if (past.length + future.length === 0) return null;
  return (
    <section aria-labelledby="panel-changes">
      <h3 id="panel-changes">{say("complete_changes")}</h3>
      <ol class="changes">
        {changesOf(state.history.value).map((change, number) => (
          <li key={number}>
            <button
              type="button"
              class="change"
              aria-current={number === past.length ? "step" : undefined}
              data-undone={number > past.length}
              aria-disabled={!isReady(state)}
              onClick={() => jumpTo(state, number)}
            >
              {say(change)}
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}

interface ActionProperties {
  of: "paste_mask" | "save_mask" | "copy" | "invert" | "clear" | "grow" | "shrink";
  icon: IconNode;
  onClick(): void;
}

function Action({ of, icon, onClick }: ActionProperties): JSX.Element {
  const name = say(`complete_${of}_label`);
  return (
    <button type="button" class="button small" aria-label={name} title={name} onClick={onClick}>
      <Icon of={icon} />
      <span>{say(`complete_${of}`)}</span>
    </button>
  );
}

function Saving({ state }: { state: State }): JSX.Element {
  const { engine, format } = state;
  return (
    <section aria-labelledby="panel-saving">
      <h3 id="panel-saving">{say("complete_saving")}</h3>
      <Select
        name={say("complete_format")}
        value={format.value}
        options={[["same", say("complete_format_same")], ...engine.formats.map((name) => [name, name.toUpperCase()])]}
        onChoose={(chosen) => {
          format.value = chosen;
        }}
      />
      {recompressesJpeg(state) && <p class="quiet">{say("complete_jpeg_help")}</p>}
      <div class="pairs">
        <button type="button" class="button small" onClick={() => liftAndSave(state)}>
          <Icon of={Download} />
          <span>{say("complete_download")}</span>
        </button>
        <Action of="copy" icon={Copy} onClick={() => liftAndCopy(state)} />
      </div>
      <KeepSwitch />
      <p class="quiet">{say("keep_help")}</p>
    </section>
  );
}

/** Estimated here; the engine reports the end. */
function recompressesJpeg({ format, photo, work }: State): boolean {
  const isJpeg = photo.value?.file.type === "image/jpeg";
  const becomesJpeg = format.value === "same" ? isJpeg : format.value === "jpeg";
  return becomesJpeg && !(isJpeg && work.value.crop === undefined && work.value.margins === undefined);
}

interface SelectProperties {
  name: string;
  value: string;
  options: string[][];
  /** Id of the element that describes it. */
  about?: string;
  onChoose(chosen: string): void;
}

function Select({ name, value, options, about, onChoose }: SelectProperties): JSX.Element {
  return (
    <label class="field">
      <span>{name}</span>
      <select value={value} aria-describedby={about} onChange={(event) => onChoose(event.currentTarget.value)}>
        {options.map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
