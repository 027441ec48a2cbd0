import {
  Bandage,
  Brush,
  Columns2,
  Columns3,
  Crop,
  Crosshair,
  Eraser,
  Expand,
  Eye,
  Hand,
  type IconNode,
  Lasso,
  LassoSelect,
  Maximize,
  Pipette,
  Redo2,
  RefreshCw,
  Shapes,
  Slash,
  SquareDashed,
  Stamp,
  Undo2,
  WandSparkles,
  X,
  ZoomIn,
  ZoomOut,
} from "lucide";
import type { JSX } from "preact";
import { IconButton, keepFocus } from "../../components/button";
import { Icon } from "../../components/icon";
import { say } from "../../texts/texts";
import { extendsPhoto } from "../extending";
import { canFillAgain } from "../filling";
import { MAX_TOLERANCE, setTolerance } from "../like_colour";
import { holdOriginal, largestSize, resize, toggleSlider, zoom, zoomToFit, zoomToPixels } from "../looking";
import { chooseTool, liftAndFill, liftAndFillAgain } from "../painting";
import { isStamp } from "../stamp";
import { cancel, isFilling, redoChange, type State, type ToolName, undoChange } from "../state";
import { canTry, tryWays } from "../trying";
import { CropOptions } from "./crop_options";
import { ExtendOptions } from "./extend_options";
import { FindButton } from "./find_menu";

interface Tool {
  tool: ToolName;
  icon: IconNode;
  key: string;
}

const BRUSHES: Tool[] = [
  { tool: "brush", icon: Brush, key: "B" },
  { tool: "eraser", icon: Eraser, key: "E" },
];
/** Tools that are in a menu on narrow screens. */
const SHAPES: Tool[] = [
  { tool: "rectangle", icon: SquareDashed, key: "R" },
  { tool: "lasso", icon: Lasso, key: "L" },
  { tool: "outline", icon: LassoSelect, key: "O" },
  { tool: "colour", icon: Pipette, key: "W" },
  { tool: "line", icon: Slash, key: "I" },
  { tool: "clone", icon: Stamp, key: "K" },
  { tool: "heal", icon: Bandage, key: "J" },
  { tool: "crop", icon: Crop, key: "Q" },
  { tool: "extend", icon: Expand, key: "M" },
];
const HAND: Tool[] = [{ tool: "hand", icon: Hand, key: "H" }];

/** Painting tools and the fill button. */
export function Toolbar({ state }: { state: State }): JSX.Element {
  const [tool, photo] = [state.tool.value, state.photo.value];
  return (
    <div class="toolbar floating" data-over>
      <fieldset class="tools">
        <legend class="unseen">{say("complete_tools")}</legend>
        <Tools state={state} of={BRUSHES} />
        <Shape state={state} />
        <Tools state={state} of={HAND} />
        <FindButton state={state} />
      </fieldset>
      {tool === "colour" && <ToleranceSlider state={state} />}
      {tool === "crop" && <CropOptions state={state} />}
      {tool === "extend" && photo !== null && <ExtendOptions state={state} photo={photo} />}
      {!["colour", "crop", "extend"].includes(tool) && <SizeSlider state={state} />}
      {isStamp(tool) && <StampOptions state={state} />}
      <div class="group">
        <IconButton
          icon={Undo2}
          name={say("complete_undo")}
          shortcut="Ctrl+Z"
          disabled={state.busy.value !== null || (state.live.value === null && state.history.value.past.length === 0)}
          onClick={() => undoChange(state)}
        />
        <IconButton
          icon={Redo2}
          name={say("complete_redo")}
          shortcut="Ctrl+Shift+Z"
          disabled={state.busy.value !== null || state.history.value.future.length === 0}
          onClick={() => redoChange(state)}
        />
        <IconButton
          icon={RefreshCw}
          name={say("complete_again")}
          shortcut="F"
          disabled={!canFillAgain(state)}
          onClick={() => liftAndFillAgain(state)}
        />
        <IconButton
          icon={Columns3}
          name={say("tries")}
          shortcut="T"
          disabled={!canTry(state)}
          onClick={() => tryWays(state)}
        />
      </div>
      <FillButton state={state} />
    </div>
  );
}

function Tools({ state, of }: { state: State; of: Tool[] }): JSX.Element {
  return (
    <>
      {of.map(({ tool, icon, key }) => (
        <IconButton
          key={tool}
          icon={icon}
          name={say(`complete_${tool}`)}
          shortcut={key}
          pressed={state.tool.value === tool}
          onClick={() => {
            chooseTool(state, tool);
            state.shapes.value = false;
          }}
        />
      ))}
    </>
  );
}

/** The tools for shapes; on narrow screens behind a button with the icon of the chosen one. */
function Shape({ state }: { state: State }): JSX.Element {
  const chosen = SHAPES.find(({ tool }) => tool === state.tool.value);
  return (
    <>
      <div class="shapes" data-open={state.shapes.value}>
        <Tools state={state} of={SHAPES} />
      </div>
      <IconButton
        class={`more-tools ${chosen === undefined ? "" : "chosen"}`}
        icon={chosen?.icon ?? Shapes}
        name={say("complete_more_tools")}
        expanded={state.shapes.value}
        onClick={() => {
          state.finder.value = false;
          state.shapes.value = !state.shapes.value;
        }}
      />
    </>
  );
}

/** How much colours may differ for the tool that takes like ones. */
function ToleranceSlider({ state }: { state: State }): JSX.Element {
  const percent = state.tolerance.value;
  return (
    <Slider
      name={say("complete_tolerance")}
      value={percent}
      text={say("complete_share", { percent })}
      range={[0, MAX_TOLERANCE]}
      onMove={(value) => setTolerance(state, value)}
    />
  );
}

/** The source and the soft edge of the clone and the heal brush. */
function StampOptions({ state }: { state: State }): JSX.Element {
  const { choosing, softness } = state.stamp;
  const percent = softness.value;
  return (
    <div class="stamp">
      <button
        type="button"
        class="button small"
        aria-pressed={choosing.value}
        title={`${say("stamp_set")} (${say("stamp_name_alt_click")}, X)`}
        onMouseDown={keepFocus}
        onClick={() => {
          choosing.value = !choosing.value;
        }}
      >
        <Icon of={Crosshair} />
        <span>{say("stamp_set")}</span>
      </button>
      <Slider
        name={say("stamp_softness")}
        value={percent}
        text={say("complete_share", { percent })}
        range={[0, 100]}
        isSoft
        onMove={(value) => {
          softness.value = value;
        }}
      />
    </div>
  );
}

function SizeSlider({ state }: { state: State }): JSX.Element {
  const size = state.size.value;
  return (
    <Slider
      name={say("complete_size")}
      value={size}
      text={say("complete_size_pixels", { size })}
      range={[1, largestSize(state)]}
      onMove={(value) => resize(state, value)}
    />
  );
}

interface SliderProperties {
  name: string;
  value: number;
  /** The value for screen readers. */
  text: string;
  range: [number, number];
  /** Of the soft edge: without keys, and with the text instead of the value. */
  isSoft?: boolean;
  onMove(value: number): void;
}

/** A slider that the keys [ and ] move, too. */
function Slider({ name, value, text, range: [min, max], isSoft = false, onMove }: SliderProperties): JSX.Element {
  return (
    <label class={isSoft ? "size soft" : "size"} title={isSoft ? name : `${name} ([ ])`}>
      <input
        type="range"
        min={min}
        max={max}
        value={value}
        aria-label={name}
        aria-valuetext={text}
        onInput={(event) => onMove(event.currentTarget.valueAsNumber)}
      />
      <span aria-hidden="true">{isSoft ? text : value}</span>
    </label>
  );
}

/**
 * Fills the marked pixels, or extends the photo; meanwhile the same button cancels, so the focus stays.
 *
 * The second press of a double click is ignored, so that it does not cancel.
 */
function FillButton({ state }: { state: State }): JSX.Element {
  const isBusy = isFilling(state);
  const isOff = state.busy.value !== null && !isBusy;
  const hasWork = state.work.value.mask.length > 0 || extendsPhoto(state);
  return (
    <button
      type="button"
      class={`button fill ${state.busy.value === null && hasWork ? "primary" : ""}`}
      aria-disabled={isOff}
      title={isBusy ? `${say("complete_cancel")} (Esc)` : `${say("complete_fill")} (Enter)`}
      onMouseDown={keepFocus}
      onClick={({ detail: presses }) => presses > 1 || isOff || (isBusy ? cancel(state) : liftAndFill(state))}
    >
      <Icon of={isBusy ? X : WandSparkles} />
      <span>{say(isBusy ? "complete_cancel" : "complete_fill")}</span>
    </button>
  );
}

/** Zoom and comparison. */
export function LookBar({ state }: { state: State }): JSX.Element {
  const percent = Math.round(state.viewport.value.scale * 100);
  const held = (down: boolean) => () => holdOriginal(state, down);
  const isHeldBy = ({ key }: KeyboardEvent): boolean => key === " " || key === "Enter";
  return (
    <fieldset class="look floating" data-over>
      <legend class="unseen">{say("complete_look")}</legend>
      <IconButton icon={ZoomIn} name={say("complete_zoom_in")} shortcut="+" onClick={() => zoom(state, 1.25)} />
      <button
        type="button"
        class="icon-button percent"
        aria-label={say("complete_zoom_to_pixels", { percent })}
        title={`${say("complete_zoom_pixels")} (1)`}
        onMouseDown={keepFocus}
        onClick={() => zoomToPixels(state)}
      >
        {say("complete_share", { percent })}
      </button>
      <IconButton icon={ZoomOut} name={say("complete_zoom_out")} shortcut="-" onClick={() => zoom(state, 1 / 1.25)} />
      <IconButton icon={Maximize} name={say("complete_zoom_fit")} shortcut="0" onClick={() => zoomToFit(state)} />
      <button
        type="button"
        class="icon-button"
        aria-label={say("complete_original")}
        aria-pressed={state.comparison.value === "original"}
        title={`${say("complete_original_key")} (C)`}
        onMouseDown={keepFocus}
        onPointerDown={held(true)}
        onPointerUp={held(false)}
        onPointerLeave={held(false)}
        onPointerCancel={held(false)}
        onBlur={held(false)}
        onKeyDown={(event) => isHeldBy(event) && holdOriginal(state, true)}
        onKeyUp={(event) => isHeldBy(event) && holdOriginal(state, false)}
      >
        <Icon of={Eye} />
      </button>
      <IconButton
        icon={Columns2}
        name={say("complete_slider")}
        shortcut="S"
        pressed={state.comparison.value === "slider"}
        onClick={() => toggleSlider(state)}
      />
    </fieldset>
  );
}
