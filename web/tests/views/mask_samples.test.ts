import "./browser";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { speak } from "../../src/texts/texts";
import { latest } from "../../src/views/mask_samples/latest";
import { addressOf, DEFAULTS, percent, summary } from "../../src/views/mask_samples/settings";

const query = (change: Partial<typeof DEFAULTS>) =>
  new URLSearchParams(addressOf({ ...DEFAULTS, ...change }).split("?")[1]);

test("shares are asked for when holes go by them, the lower one first", () => {
  expect(query({}).has("hole_ratio")).toBe(false);
  expect(query({ by_share: true, lowest: 0.5, highest: 0.2 }).getAll("hole_ratio")).toEqual(["0.2", "0.5"]);
  expect([...query({}).keys()]).toEqual(["mask_type", "max_masks", "max_size_ratio", "max_thickness", "seed"]);
});

test("shares are told as the reader writes them", () => {
  expect(summary([0.1, 0.4, 0.1])).toEqual({ low: 0.1, high: 0.4, mean: expect.closeTo(0.2) });
  expect(percent(0.0314)).toBe("3.1%");
  speak("tr");
  expect(percent(0.0314)).toBe("%3,1");
  speak("en");
});

describe("the latest", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("what is asked for in a hurry is done once, and the last wins", async () => {
    const done: number[] = [];
    const drawing = latest(async (input: number) => void done.push(input), 100);
    for (const input of [1, 2, 3]) drawing.ask(input);
    await vi.advanceTimersByTimeAsync(1000);
    expect(done).toEqual([3]);
  });

  test("an answer that comes after another question is given up", async () => {
    const signals: AbortSignal[] = [];
    const drawing = latest((_: number, signal) => {
      signals.push(signal);
      return new Promise<void>((_, fail) => signal.addEventListener("abort", () => fail(signal.reason)));
    }, 100);
    drawing.ask(1);
    await vi.advanceTimersByTimeAsync(1000);
    drawing.ask(2);
    await vi.advanceTimersByTimeAsync(1000);
    expect(signals.map((signal) => signal.aborted)).toEqual([true, false]);
    drawing.stop();
    expect(signals.map((signal) => signal.aborted)).toEqual([true, true]);
  });
});
