import { expect, test } from "vitest";
import "../views/browser";
import { fill } from "../../src/editor/filling";
import { find, want } from "../../src/editor/finding";
import { open } from "../../src/editor/opening";
import { begin, extend, lift, liftAndFill } from "../../src/editor/painting";
import { save } from "../../src/editor/saving";
import { cancel, createState, redoChange, type State, undoChange } from "../../src/editor/state";
import type { Engine, Photo } from "../../src/engine/engine";
import { NO_MARGINS } from "../../src/engine/margins";
import { engine, never, site } from "./stand_ins";

const view = { width: 100, height: 80, close: () => {} } as ImageBitmap;

function photoOf(file: File): Photo {
  return { file, width: 100, height: 80, margins: NO_MARGINS, view, notes: [] };
}

async function withPhoto(changes: Partial<Engine> = {}): Promise<State> {
  const state = createState(site, { ...engine, open: async (file) => photoOf(file), ...changes });
  await open(state, new File(["a"], "a.png"));
  return state;
}

function putDown(state: State, x = 5): void {
  begin(state, { x, y: 5, pressure: 1 });
}

function stroke(state: State, x = 5): void {
  putDown(state, x);
  extend(state, [{ x: x + 20, y: 5, pressure: 1 }]);
  lift(state);
}

test("undoing in the middle of a stroke gives up that stroke, and nothing else", async () => {
  const state = await withPhoto();
  stroke(state);
  stroke(state, 30);
  undoChange(state);
  const before = state.history.value;
  putDown(state);
  extend(state, [{ x: 40, y: 5, pressure: 1 }]);
  redoChange(state);
  expect(state.history.value).toBe(before);
  undoChange(state);
  expect(state.live.value).toBeNull();
  expect(state.history.value).toBe(before);
  redoChange(state);
  expect(state.work.value.mask.length).toBe(2);
});

test("a tap on the space bar leaves nothing that a fill would take for a mark", async () => {
  const state = await withPhoto();
  stroke(state);
  const marked = state.work.value.mask;
  putDown(state, 50);
  void liftAndFill(state);
  expect(state.live.value).toBeNull();
  expect(state.work.value.mask).toBe(marked);
});

test("what is painted is kept when somebody fills before the tool is lifted", async () => {
  const state = await withPhoto();
  putDown(state);
  extend(state, [{ x: 40, y: 5, pressure: 1 }]);
  void liftAndFill(state);
  expect(state.work.value.mask.length).toBe(1);
});

test.each<[string, (state: State) => Promise<unknown>]>([
  ["opening", (state) => open(state, new File(["b"], "b.png"))],
  ["filling", fill],
  ["finding", find],
  ["saving", save],
])("%s ends when it is cancelled, whatever the engine does", async (what, start) => {
  const state = await withPhoto();
  if (what === "filling") stroke(state);
  state.engine.open = never;
  const done = start(state);
  expect(state.busy.value?.what).toBe(what);
  cancel(state);
  await done;
  expect(state.busy.value).toBeNull();
  expect(state.message.value?.text()).toBe("Cancelled; nothing was changed.");
  expect(state.photo.value?.file.name).toBe("a.png");
});

test("engines hear that opening and saving are cancelled", async () => {
  const signals: AbortSignal[] = [];
  const hears = (...given: unknown[]): Promise<never> => {
    signals.push(given.at(-1) as AbortSignal);
    return never();
  };
  const state = await withPhoto({ save: hears });
  state.engine.open = hears;
  for (const start of [() => open(state, new File(["b"], "b.png")), () => save(state)]) {
    const done = start();
    await new Promise((resolve) => setTimeout(resolve));
    cancel(state);
    await done;
  }
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
});

test("what was read out is not said of a work that has changed, or of another photo", async () => {
  const state = await withPhoto();
  const says = (): string => state.spoken.value();
  stroke(state);
  undoChange(state);
  expect(says()).toBe("Undone: 0 can still be undone.");
  stroke(state);
  expect(says()).toBe("");
  undoChange(state);
  state.work.value.mask.length === 0 && (await open(state, new File(["b"], "b.png")));
  expect(says()).toBe("");
});

test("a tool that is down is lifted from a photo that is replaced", async () => {
  const state = await withPhoto();
  putDown(state);
  await open(state, new File(["b"], "b.png"));
  expect(state.live.value).toBeNull();
});

test("only what is wanted and can be found is looked for, and what nothing is found of changes nothing", async () => {
  const asked: unknown[] = [];
  const state = await withPhoto({
    find: async (_photo, _earlier, options) => {
      asked.push(options);
      return new Uint8Array(100 * 80);
    },
  });
  stroke(state);
  const before = state.history.value;
  state.finder.value = true;
  want(state, "text", true); // which needs more than there is
  await find(state);
  expect(asked).toEqual([{ what: ["scratches"], sensitivity: 0.5 }]);
  expect(state.history.value).toBe(before);
  expect(state.finder.value).toBe(false);
  expect(state.message.value?.text()).toContain("Nothing was found");
  want(state, "scratches", false);
  await find(state);
  expect(asked.length).toBe(1);
  expect(state.message.value?.text()).toContain("Nothing is chosen");
});
