import { expect, test } from "vitest";
import "../views/browser";
import { answerLeaving, isAnyUnsaved, leaveOut, openFiles, show, showNext, statusOf } from "../../src/editor/album";
import { fillAll, findInEach, sameMask } from "../../src/editor/batches";
import { commit, extended, painted } from "../../src/editor/document";
import { cancel, change, createState, optionsOf, type State } from "../../src/editor/state";
import type { Step } from "../../src/editor/steps";
import { type Engine, EngineError, type Fill, LostEngineError, type Photo } from "../../src/engine/engine";
import { NO_MARGINS } from "../../src/engine/margins";
import { areDone, areSaved, itemsOf } from "../../src/keeping/items";
import { engine, site } from "./stand_ins";

/** Photos by their names; "bad" ones cannot be opened, "wide" ones have another size. */
function photoOf(file: File): Photo {
  if (file.name.startsWith("bad")) throw new EngineError(() => "It is damaged.");
  const width = file.name.startsWith("wide") ? 200 : 100;
  return {
    file,
    width,
    height: 80,
    margins: NO_MARGINS,
    view: { width, height: 80, close: () => {} } as ImageBitmap,
    notes: [],
  };
}

const stroke: Step = { kind: "stroke", erases: false, points: [5, 5, 4] };

async function withPhotos(names: string[], changes: Partial<Engine> = {}): Promise<State> {
  const state = createState(site, { ...engine, open: async (file) => photoOf(file), ...changes });
  await openFiles(state, filesOf(names));
  return state;
}

function filesOf(names: string[]): File[] {
  return names.map((name) => new File([name], name));
}

function paint(state: State): void {
  state.history.value = commit(state.history.value, painted(state.work.value, stroke));
}

function shownOf(state: State): string | undefined {
  return state.photo.value?.file.name;
}

function statusesOf(state: State): string[] {
  return state.album.entries.value.map((entry) => statusOf(state, entry));
}

test("one photo alone has no strip; of several the first that can be opened is shown", async () => {
  const alone = await withPhotos(["a.png"]);
  expect(alone.album.isOpen.value).toBe(false);
  expect(shownOf(alone)).toBe("a.png");
  const state = await withPhotos(["bad.png", "b.png", "c.png"]);
  expect(shownOf(state)).toBe("b.png");
  expect(statusesOf(state)).toEqual(["failed", "untouched", "untouched"]);
});

test("each photo keeps its strokes and their history while others are shown", async () => {
  const state = await withPhotos(["a.png", "b.png"]);
  paint(state);
  paint(state);
  await showNext(state, 1);
  expect([shownOf(state), state.work.value.mask.length]).toEqual(["b.png", 0]);
  paint(state);
  await showNext(state, -1);
  expect([shownOf(state), state.work.value.mask, state.history.value.past.length]).toEqual([
    "a.png",
    [stroke, stroke],
    2,
  ]);
  expect(statusesOf(state)).toEqual(["marked", "marked"]);
  expect(isAnyUnsaved(state)).toBe(true);
});

test("a photo with unsaved work stays, as the first, when more are opened", async () => {
  const state = await withPhotos(["a.png"]);
  paint(state);
  await openFiles(state, filesOf(["b.png", "c.png"]));
  expect(state.album.entries.value.map(({ file }) => file.name)).toEqual(["a.png", "b.png", "c.png"]);
  expect(statusesOf(state)).toEqual(["marked", "untouched", "untouched"]);
  expect(shownOf(state)).toBe("b.png");
});

test("going on passes over a photo that could not be opened, and a click tries it again", async () => {
  const state = await withPhotos(["a.png", "bad.png", "c.png"]);
  await showNext(state, 1);
  expect([shownOf(state), state.message.value?.text()]).toEqual(["a.png", "bad.png: It is damaged."]);
  await showNext(state, 1);
  expect(shownOf(state)).toBe("c.png");
  state.engine.open = async (file) => ({ ...photoOf(new File([], "x.png")), file });
  await show(state, state.album.entries.value[1]);
  expect([shownOf(state), statusesOf(state)]).toEqual(["bad.png", ["untouched", "untouched", "untouched"]]);
});

test("leaving out asks only for unsaved work, and the last photo alone has no strip", async () => {
  const state = await withPhotos(["a.png", "b.png", "c.png"]);
  await leaveOut(state, state.album.entries.value[2]);
  expect(statusesOf(state).length).toBe(2);
  paint(state);
  const [entry] = state.album.entries.value;
  await leaveOut(state, entry);
  expect(state.album.leaving.value).toBe(entry);
  await answerLeaving(state, false);
  expect(statusesOf(state)).toEqual(["marked", "untouched"]);
  await leaveOut(state, entry);
  await answerLeaving(state, true);
  expect([shownOf(state), state.album.isOpen.value, state.work.value.mask.length]).toEqual(["b.png", false, 0]);
});

test("the same mask goes to all photos of the same size, and others are named", async () => {
  const state = await withPhotos(["a.png", "b.png", "wide.png", "bad.png"]);
  paint(state);
  await sameMask(state);
  expect(statusesOf(state)).toEqual(["marked", "marked", "untouched", "failed"]);
  expect(state.message.value?.text()).toBe("Other photos marked: 1. Of another size: wide.png, bad.png.");
  expect(shownOf(state)).toBe("a.png");
  await showNext(state, 1);
  expect([state.work.value.mask, state.history.value.past.length]).toEqual([[stroke], 1]);
});

test("an extended photo keeps its margins in the strip, and its mask fits photos with the same ones", async () => {
  const state = await withPhotos(["a.png"]);
  const fill: Fill = { rects: [], patches: [], content: new Blob(), notes: [] };
  const margins = { left: 10, top: 0, right: 0, bottom: 20 };
  change(state, extended(state.work.value, margins, { fill, mask: [], options: optionsOf(state, 0) }));
  await openFiles(state, filesOf(["b.png", "c.png"]));
  const sizeOf = ({ photo }: State) => [photo.value?.width, photo.value?.height];
  expect([shownOf(state), ...sizeOf(state)]).toEqual(["b.png", 100, 80]);
  await showNext(state, -1);
  expect([shownOf(state), ...sizeOf(state)]).toEqual(["a.png", 110, 100]);
  expect(state.album.entries.value.map(({ size }) => size?.width)).toEqual([100, 100, undefined]);
  paint(state);
  await sameMask(state);
  expect(statusesOf(state)).toEqual(["marked", "untouched", "untouched"]);
  await showNext(state, 1);
  paint(state);
  await sameMask(state);
  expect(statusesOf(state)).toEqual(["marked", "marked", "marked"]);
  const [a] = state.album.entries.value;
  expect(a.parked.value?.history.past.length).toBe(2);
  expect(a.parked.value?.history.now).toMatchObject({ margins, mask: [stroke], fills: [{ margins }] });
});

test("what is found in each photo is asked for one after the other, and failures are passed over", async () => {
  let running = 0;
  const asked: string[] = [];
  const state = await withPhotos(["a.png", "bad.png", "b.png"], {
    find: async (photo) => {
      expect(++running).toBe(1);
      asked.push(photo.file.name);
      await new Promise((resolve) => setTimeout(resolve));
      running--;
      return new Uint8Array(100 * 80);
    },
  });
  await findInEach(state);
  expect(asked).toEqual(["a.png", "b.png"]);
  expect(state.message.value).toMatchObject({ tone: "error" });
  expect(state.message.value?.text()).toBe("Photos done: 2. Failed: bad.png: It is damaged.");
  expect(statusesOf(state)).toEqual(["untouched", "failed", "untouched"]);
});

test("cancelling ends the work on all photos", async () => {
  const state = await withPhotos(["a.png", "b.png"], { find: () => new Promise<never>(() => {}) });
  const done = findInEach(state);
  while (state.busy.value?.what !== "finding") await new Promise((resolve) => setTimeout(resolve));
  expect(state.album.batch.value).toEqual({ number: 1, count: 2 });
  cancel(state);
  await done;
  expect([state.album.batch.value, shownOf(state)]).toEqual([null, "a.png"]);
  expect(state.message.value?.text()).toBe("Cancelled; photos done: 0.");
});

test("nothing is filled where nothing is marked", async () => {
  const filled: Fill[] = [];
  const state = await withPhotos(["a.png", "b.png"]);
  await fillAll(state);
  expect(filled).toEqual([]);
  expect(state.message.value?.text()).toContain("Nothing is marked");
});

test("an engine that is lost stops the work on all photos, and none of them is to blame", async () => {
  let isLost = false;
  const lost = new LostEngineError(() => "the server does not answer");
  const state = await withPhotos(["a.png", "b.png", "c.png", "d.png"], {
    open: async (file) => {
      if (isLost) throw lost;
      return photoOf(file);
    },
    find: async (photo) => {
      isLost = photo.file.name === "b.png";
      return new Uint8Array(100 * 80);
    },
  });
  await findInEach(state);
  expect(state.message.value?.text()).toBe("Photos done: 2. the server does not answer");
  expect(statusesOf(state)).toEqual(["untouched", "untouched", "untouched", "untouched"]);
  isLost = false;
  await showNext(state, 1);
  expect(shownOf(state)).toBe("c.png");
});

test("of many photos that fail the first are named, and what is done on one later no longer fails", async () => {
  const names = ["a.png", ...Array.from({ length: 6 }, (_, number) => `bad${number}.png`)];
  const state = await withPhotos(names, { find: async () => new Uint8Array(100 * 80) });
  await findInEach(state);
  expect(state.message.value?.text()).toBe(
    "Photos done: 1. Failed: bad0.png, bad1.png, bad2.png, bad3.png and 2 more: It is damaged.",
  );
  state.album.entries.value[0].failure.value = () => "not filled";
  expect(statusesOf(state)[0]).toBe("failed");
  change(state, painted(state.work.value, stroke));
  expect(statusesOf(state)[0]).toBe("marked");
});

test("what neither browser nor engine can show is marked and named before it is opened", async () => {
  Object.assign(globalThis, { createImageBitmap: async () => Promise.reject(new Error("unknown format")) });
  const refuse = async ({ name }: File) => {
    if (!name.endsWith(".png")) throw new EngineError(() => "Its format is unknown.");
    return null;
  };
  const state = await withPhotos(["bad.png", "a.png", "b.heic", "c.png", "d.tif"], { glance: refuse });
  while (state.message.value?.tone !== "error") await new Promise((resolve) => setTimeout(resolve));
  expect(state.message.value?.text()).toBe("Failed: bad.png: It is damaged. b.heic, d.tif: Its format is unknown.");
  expect(statusesOf(state)).toEqual(["failed", "untouched", "failed", "untouched", "failed"]);
  await showNext(state, 1);
  expect(shownOf(state)).toBe("c.png");
});

test("all photos are kept, unsaved work first, until all that can be opened are saved", async () => {
  const state = await withPhotos(["a.png", "b.png", "bad.png"]);
  const names = () => itemsOf(state).map(({ file }) => file.name);
  expect([names(), areSaved(itemsOf(state)), areDone(itemsOf(state))]).toEqual([
    ["a.png", "b.png", "bad.png"],
    false,
    false,
  ]);
  await showNext(state, 1);
  paint(state);
  expect(names()).toEqual(["b.png", "a.png", "bad.png"]);
  state.saved.value = state.work.value;
  expect([areSaved(itemsOf(state)), areDone(itemsOf(state))]).toEqual([false, true]);
  await showNext(state, -1);
  paint(state);
  expect(areDone(itemsOf(state))).toBe(false);
  state.saved.value = state.work.value;
  await show(state, state.album.entries.value[2]);
  expect([areSaved(itemsOf(state)), areDone(itemsOf(state))]).toEqual([true, true]);
});
