import { useSignal } from "@preact/signals";
import type { IconNode } from "lucide";
import { Contrast, Download, Expand, ImageUp, Save, Shrink, Trash2, X } from "lucide";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { IconButton } from "../../components/button";
import { Icon } from "../../components/icon";
import type { Texture } from "../../engine/engine";
import { say } from "../../texts/texts";
import { clearMask, growMask, invertMask, loadMask, saveMask } from "../mask_actions";
import { liftAndSave } from "../painting";
import type { State } from "../state";
import { aboutWeights } from "../weights";
import { FileButton } from "./file_button";

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
      <Saving state={state} />
    </aside>
  );
}

function Filling({ state }: { state: State }): JSX.Element {
  const { site, texture, weights, chosenWeights, fillsOnLift } = state;
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
          onFile={(file) => loadMask(state, file)}
        />
        <Action of="save_mask" icon={Save} onClick={() => saveMask(state)} />
        <Action of="invert" icon={Contrast} onClick={() => invertMask(state)} />
        <Action of="clear" icon={Trash2} onClick={() => clearMask(state)} />
        <Action of="grow" icon={Expand} onClick={() => growMask(state, reach.value)} />
        <Action of="shrink" icon={Shrink} onClick={() => growMask(state, -reach.value)} />
      </div>
      <label class="field">
        <span>{say("complete_grow_by")}</span>
        <input
          type="number"
          min={1}
          max={500}
          value={reach.value}
          onChange={({ currentTarget }) => {
            const wanted = Math.round(currentTarget.valueAsNumber) || 1;
            reach.value = Math.min(500, Math.max(1, wanted));
            currentTarget.value = String(reach.value);
          }}
        />
      </label>
      <p class="quiet">{say("complete_mask_help")}</p>
    </section>
  );
}

interface ActionProperties {
  of: "save_mask" | "invert" | "clear" | "grow" | "shrink";
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
      <button type="button" class="button small" onClick={() => liftAndSave(state)}>
        <Icon of={Download} />
        <span>{say("complete_download")}</span>
      </button>
    </section>
  );
}

/** Estimated here; the engine reports the end. */
function recompressesJpeg({ engine, format, photo }: State): boolean {
  const isJpeg = photo.value?.file.type === "image/jpeg";
  return isJpeg && engine.keepsJpegBlocks ? false : format.value === "same" ? isJpeg : format.value === "jpeg";
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
