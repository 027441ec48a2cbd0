/** How far a work of several parts is, and whether it is still wanted. */

/** Milliseconds after which messages are let in: one that aborts cannot arrive while a script runs. */
const BREATH = 50;

export class Progress {
  /**
   * @param report - told the share that is done, from 0 to 1, never less than before
   * @param signal - aborts the work
   */
  constructor(
    private readonly report: (share: number) => void,
    private readonly signal: AbortSignal,
    private readonly breath = { last: performance.now() },
  ) {}

  /** Of a part of the work, from one share of the whole to another. */
  part(from: number, to: number): Progress {
    return new Progress((share) => this.report(from + share * (to - from)), this.signal, this.breath);
  }

  /** Report a share; raises the signal's reason when the work was aborted. */
  async reach(share: number): Promise<void> {
    this.report(share);
    if (performance.now() - this.breath.last > BREATH) {
      await new Promise((resolve) => setTimeout(resolve));
      this.breath.last = performance.now();
    }
    this.signal.throwIfAborted();
  }
}
