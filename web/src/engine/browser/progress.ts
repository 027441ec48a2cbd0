/** Progress of nested work, and its cancellation. */

/** Milliseconds between yields, in which an abort message can arrive. */
const BREATH = 50;

export class Progress {
  private highest = 0;

  /**
   * @param report - called with the progress from 0 to 1, monotonically
   * @param signal - aborts the work
   */
  constructor(
    private readonly report: (share: number) => void,
    private readonly signal: AbortSignal,
    private readonly breath = { last: performance.now() },
  ) {}

  /** The progress of a part of the work, from one share of the whole to another. */
  part(from: number, to: number): Progress {
    return new Progress((share) => this.note(from + share * (to - from)), this.signal, this.breath);
  }

  /** Report progress of work that goes on beside this. */
  note(share: number): void {
    this.highest = Math.max(this.highest, share); // sums in another order differ in the last digit
    this.report(this.highest);
  }

  /** Report progress; raises the signal's reason when the work was aborted. */
  async reach(share: number): Promise<void> {
    this.note(share);
    if (performance.now() - this.breath.last > BREATH) {
      await new Promise((resolve) => setTimeout(resolve));
      this.breath.last = performance.now();
    }
    this.signal.throwIfAborted();
  }
}
