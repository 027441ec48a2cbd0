/** Cloning and healing: strokes that copy from a source, one after the other while painting goes on. */

import type { Copying, Hole } from "../engine/engine";
import { say } from "../texts/texts";
import { cloned, fillsOf } from "./document";
import { holeOf, softened } from "./raster";
import { isStamp, type Stamp } from "./stamp";
import { change, complain, isReady, optionsOf, type State, waitFor } from "./state";
import type { Size, Stroke } from "./steps";
import type { Point } from "./viewport";

/** Choose where to copy from. */
export function setSource(state: State, { x, y }: Point): void {
  const { stamp, photo } = state;
  if (photo.value === null || !isStamp(state.tool.value)) return;
  const isInside = x >= 0 && y >= 0 && x < photo.value.width && y < photo.value.height;
  if (!isInside) return;
  stamp.source.value = { x, y };
  stamp.offset.value = null;
  stamp.choosing.value = false;
  state.message.value = null;
  state.spoken.value = () => say("stamp_source_set", { x: Math.floor(x), y: Math.floor(y) });
}

/** How a stroke from a point on copies; null, and a message, where no source is chosen. */
export function copyingFrom(state: State, { x, y }: Point): Copying | null {
  const { source, offset } = state.stamp;
  if (source.value === null) {
    complain(state, () => say("stamp_no_source"));
    return null;
  }
  offset.value ??= { x: Math.round(source.value.x - x), y: Math.round(source.value.y - y) };
  return { offset: offset.value, heals: state.tool.value === "heal" };
}

/** Copy along a stroke, after those before it. */
export async function stampStroke(state: State, step: Stroke, copying: Copying): Promise<void> {
  const { waiting, softness } = state.stamp;
  waiting.value = [...waiting.value, { step, copying, softness: softness.value }];
  if (!isReady(state)) return; // the one at work goes on with it
  for (let next = waiting.value[0]; next !== undefined; next = waiting.value[0]) {
    const outcome = await copied(state, next);
    if (outcome !== "done") waiting.value = [];
  }
}

function copied(state: State, stamp: Stamp) {
  const { work, seed, engine } = state;
  return waitFor(
    state,
    "cloning",
    async (signal) => {
      const photo = state.photo.value;
      if (photo === null) throw signal.reason;
      const stroke = await strengthsOf(stamp, photo);
      return engine.clone(photo, fillsOf(work.value), stroke, stamp.copying, signal);
    },
    (fill) => {
      state.stamp.waiting.value = state.stamp.waiting.value.slice(1);
      const [empty] = fill.notes;
      if (empty !== undefined) return complain(state, empty);
      const { step, copying } = stamp;
      change(state, cloned(work.value, { fill, mask: [step], options: optionsOf(state, seed.value), copying }));
    },
  );
}

/** The pixels of a stroke, which fades out over a share of its radius. */
async function strengthsOf({ step, softness }: Stamp, photo: Size): Promise<Hole> {
  const radius = step.points.reduce((most, value, at) => (at % 3 === 2 ? Math.max(most, value) : most), 0);
  return softened(await holeOf([step], photo), (radius * softness) / 100, photo);
}
