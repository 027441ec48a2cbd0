import "./browser";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { speak } from "../../src/texts/texts";
import {
  addressOf,
  addressOfSheet,
  type Curve,
  type Training,
  type TrainingInFull,
} from "../../src/views/trainings/answers";
import { joined, lossLines, rowsOf, scoreLines, valueAt } from "../../src/views/trainings/curves";
import { keepLooking, SECONDS } from "../../src/views/trainings/looking";
import { choiceOf, epochsWithSheets, epochToShow } from "../../src/views/trainings/sheet_choice";
import { chosen, hasEnded, hasStarted, look, stillThere, toggle, toggled } from "../../src/views/trainings/watching";
import { duration, progressLine } from "../../src/views/trainings/words";

const curve = (epochs: number[], values: number[]): Curve => ({ epochs, values });

function aTraining(name: string, parts: Partial<TrainingInFull> = {}): TrainingInFull {
  const progress = { epoch: 3, epochs: 5.5, epochs_done: 2.5, step: 1250, images_per_second: 4.25, seconds_left: 7300 };
  return {
    ...{ name, changed: 1000, finished: false, stopped: false, progress, problem: null },
    ...{ losses: {}, scores: {}, sheets: [] },
    ...parts,
  };
}

function watch(...trainings: TrainingInFull[]) {
  return trainings.map((training, colour) => ({ colour, training }));
}

describe("curves", () => {
  test("curves of several trainings share their epochs, and have gaps where they have no value", () => {
    const lines = lossLines(
      watch(
        aTraining("a", { losses: { D_loss: curve([0.5, 1, 2], [3, 2, 1]) } }),
        aTraining("b", { losses: { D_loss: curve([1, 1.5], [7, 8]) } }),
        aTraining("c"),
      ),
      "D_loss",
    );
    expect(lines.map((line) => [line.label, line.colour])).toEqual([
      ["a", 0],
      ["b", 1],
    ]);
    expect(joined(lines)).toEqual([
      [0.5, 1, 1.5, 2],
      [3, 2, null, 1],
      [null, 7, 8, null],
    ]);
  });

  test("methods of one training have a colour each, those of several a dash each", () => {
    const scores = (best: number) => ({ psnr: { onar: curve([1], [best]), Telea: curve([1], [21 + best]) } });
    const one = scoreLines(watch(aTraining("a", { scores: scores(30) })), "psnr");
    expect(one.map(({ label, colour }) => [label, colour])).toEqual([
      ["onar", 0],
      ["Telea", 1],
    ]);
    const two = watch(aTraining("a", { scores: scores(30) }), aTraining("b", { scores: scores(31) }));
    expect(scoreLines(two, "psnr").map(({ label, colour, dash }) => [label, colour, dash])).toEqual([
      ["a: onar", 0, 0],
      ["b: onar", 1, 0],
      ["a: Telea", 0, 1],
      ["b: Telea", 1, 1],
    ]);
  });

  test("what scores the same in every training is one line, as long as the longest", () => {
    const scores = (last: number) => ({ psnr: { onar: curve([1, 2], [20, last]), Telea: curve([1, last], [21, 21]) } });
    const lines = scoreLines(
      watch(aTraining("a", { scores: scores(25) }), aTraining("b", { scores: scores(30) })),
      "psnr",
    );
    expect(lines.map(({ label, colour }) => [label, colour])).toEqual([
      ["a: onar", 0],
      ["b: onar", 1],
      ["Telea", null],
    ]);
    expect(lines[2]?.curve.epochs).toEqual([1, 30]);
  });

  test("a curve is worth what it was last worth", () => {
    const values = [0.5, 1, 1.9, 2, 9].map((epoch) => valueAt(curve([1, 2], [10, 20]), epoch));
    expect(values).toEqual([null, 10, 10, 20, 20]);
  });

  test("a table has the newest epoch last, and no more rows than asked for", () => {
    const epochs = Array.from({ length: 100 }, (_, index) => index / 10);
    const lines = [{ label: "a", colour: 0, dash: 0, curve: curve(epochs, epochs) }];
    const rows = rowsOf(lines, 12);
    expect(rows.length).toBe(12);
    expect(rows.at(-1)).toEqual({ epoch: 9.9, values: [9.9] });
    expect(
      rowsOf([{ ...lines[0], curve: curve([1, 2], [3, 4]) } as (typeof lines)[0]], 12).map((row) => row.epoch),
    ).toEqual([1, 2]);
  });
});

describe("choices", () => {
  const list = (...names: string[]): Training[] => names.map((name) => aTraining(name));

  test("the newest training is watched until others are chosen, or none", () => {
    expect([...(stillThere(null, list("new", "old")) ?? [])]).toEqual([["new", 0]]);
    const chosen = new Map([["old", 3]]);
    expect(stillThere(chosen, list("new", "old"))).toBe(chosen);
    expect([...(stillThere(chosen, list("new")) ?? [])]).toEqual([["new", 0]]);
    expect(stillThere(new Map(), list("new"))?.size).toBe(0);
    expect(stillThere(null, [])).toBe(null);
  });

  test("a training keeps its colour, and the next takes the first that is free", () => {
    let chosen: ReadonlyMap<string, number> = new Map();
    for (const name of ["a", "b", "c", "b", "d"]) chosen = toggled(chosen, name);
    expect([...chosen]).toEqual([
      ["a", 0],
      ["c", 2],
      ["d", 1],
    ]);
  });

  test("the newest training that can be read is watched, and one that starts later takes its place", () => {
    const [old, first] = [aTraining("old"), aTraining("first")];
    const broken = aTraining("broken", { problem: { kind: "no_log", file: "log.jsonl" } });
    expect([...(stillThere(null, [broken, first, old]) ?? [])]).toEqual([["first", 0]]);
    expect(stillThere(null, [broken])).toBe(null);
    expect(hasStarted([broken, first, old], [aTraining("later"), first, old, broken])).toBe(true);
    expect(hasStarted([broken, first, old], [aTraining("broken"), first, old])).toBe(true); // it can be read now
    expect(hasStarted([broken, first, old], [broken, old, first])).toBe(false); // two that run take turns
  });

  test("a training that starts while the page looks is chosen, but not after a person has chosen", async () => {
    const answers: Training[][] = [];
    const full = (address: string) => aTraining(address.split("/").at(-1) as string);
    vi.stubGlobal("fetch", async (address: string) =>
      Response.json(address.endsWith("trainings") ? answers.at(-1) : full(address)),
    );
    const chosenAfter = async (...names: string[]) => {
      answers.push(names.map((name) => aTraining(name)));
      await look();
      return [...(chosen.value?.keys() ?? [])];
    };
    expect(await chosenAfter("first")).toEqual(["first"]);
    expect(await chosenAfter("second", "first")).toEqual(["second"]);
    expect(await chosenAfter("first", "second")).toEqual(["second"]);
    toggle("second");
    toggle("first");
    expect(await chosenAfter("third", "first", "second")).toEqual(["first"]);
    vi.unstubAllGlobals();
  });

  test("the newest sheet is shown until the reader chooses an older one, which is kept while it is there", () => {
    expect(epochToShow([1, 2, 3], null)).toBe(3);
    expect(epochToShow([1, 2, 3, 4], choiceOf([1, 2, 3], 3))).toBe(4);
    const older = choiceOf([1, 2, 3], 2);
    expect(epochToShow([1, 2, 3, 4], older)).toBe(2);
    expect(epochToShow([1], older)).toBe(1); // the training began anew
    expect(epochToShow([], older)).toBe(null);
  });

  test("sheets of any of the trainings can be chosen", () => {
    const sheets = (...epochs: number[]) => epochs.map((epoch) => ({ epoch, changed: 0 }));
    const trainings = [aTraining("a", { sheets: sheets(1, 3) }), aTraining("b", { sheets: sheets(2, 3, 10) })];
    expect(epochsWithSheets(trainings)).toEqual([1, 2, 3, 10]);
  });

  test("names with slashes, signs and letters of every alphabet are addresses", () => {
    expect(addressOf("koşu ile/%2e?#")).toBe("api/trainings/ko%C5%9Fu%20ile/%252e%3F%23");
    const [before, after] = [1, 2].map((changed) => addressOfSheet("a", { epoch: 4, changed }));
    expect(before).toMatch(/^api\/trainings\/a\/sheets\/4\?/);
    expect(before).not.toBe(after);
  });
});

describe("words", () => {
  afterEach(() => speak("en"));

  test("times are in the largest unit of which there are two", () => {
    expect([-3, 0, 119, 120, 7199, 7200].map(duration)).toEqual(["0 s", "0 s", "119 s", "2 min", "120 min", "2 h"]);
  });

  test("a line tells how far a training is, how fast, and how long it takes", () => {
    const training = aTraining("a");
    expect(progressLine(training, 1005)).toBe(
      "Epoch 3 of 6, step 1,250 · 4.3 photos per second · about 2 h left · last logged 5 s ago",
    );
    expect(progressLine({ ...training, finished: true }, 1005)).toBe(
      "Epoch 3 of 6, step 1,250 · 4.3 photos per second · finished",
    );
    expect(progressLine({ ...training, progress: null }, 1005)).toBe("Started; nothing is logged yet.");
    speak("tr");
    expect(progressLine(training, 1005)).toBe(
      "Epok 3/6, adım 1.250 · saniyede 4,3 fotoğraf · yaklaşık 2 sa kaldı · son kayıt 5 sn önce",
    );
  });
});

describe("endings", () => {
  afterEach(() => speak("en"));

  test("nothing is said to be left of a training that was killed, or that is silent for long", () => {
    const training = aTraining("a", { stopped: true });
    expect(progressLine(training, 1005)).toMatch(/stopped early · last logged 5 s ago$/);
    expect(progressLine({ ...training, progress: null }, 1005)).toBe("stopped early");
    expect(progressLine({ ...training, stopped: false }, 1000 + 7200)).toMatch(/per second · last logged 2 h ago$/);
    expect([aTraining("a"), training, aTraining("b", { finished: true })].map(hasEnded)).toEqual([false, true, true]);
  });

  test("what is wrong with a training's file is said in the reader's language", () => {
    const training = aTraining("a", { problem: { kind: "no_log", file: "log.jsonl" } });
    expect(progressLine(training, 1005)).toBe("Cannot be read: log.jsonl is not the log of a training.");
    speak("tr");
    expect(progressLine(training, 1005)).toBe("Okunamıyor: log.jsonl bir eğitimin günlüğü değil.");
  });
});

describe("looking", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("it looks while it is seen and until there is nothing more to see, and again when asked", async () => {
    let [seen, more] = [true, true];
    const look = vi.fn(async () => more);
    const turns = async (count: number, act = () => {}) => {
      look.mockClear();
      act();
      await vi.advanceTimersByTimeAsync(count * SECONDS * 1000);
      return look.mock.calls.length;
    };
    const looking = keepLooking(look, () => seen);
    expect(look).toHaveBeenCalledTimes(1);
    expect(await turns(3)).toBe(3);
    seen = false;
    expect(await turns(3)).toBe(0);
    seen = true;
    expect(await turns(1)).toBe(1);
    more = false;
    expect(await turns(5)).toBe(1);
    expect(await turns(5, looking.again)).toBe(1);
    more = true;
    expect(await turns(2, looking.again)).toBe(3);
    looking.stop();
    expect(await turns(5, looking.again)).toBe(0);
  });

  test("it looks once at a time, and once more when it was asked meanwhile", async () => {
    let answer = (_: boolean) => {};
    const look = vi.fn(() => new Promise<boolean>((resolve) => (answer = resolve)));
    const looking = keepLooking(look, () => true);
    looking.again();
    looking.again();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(look).toHaveBeenCalledTimes(1);
    answer(false);
    await vi.advanceTimersByTimeAsync(0);
    expect(look).toHaveBeenCalledTimes(2);
    answer(false);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(look).toHaveBeenCalledTimes(2);
  });
});
