/** Work that is asked for more often than it can be done. */

export interface Latest<T> {
  /** Ask for the work in a moment; what was asked for before is given up. */
  ask(input: T): void;
  stop(): void;
}

/**
 * Do the latest of what is asked for, when nobody has asked for anything else for a moment.
 *
 * @param work - is told by its signal when it is given up; what it then raises is of no interest
 * @param delayMs - how long a moment is
 */
export function latest<T>(work: (input: T, signal: AbortSignal) => Promise<void>, delayMs: number): Latest<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let current = new AbortController();

  function stop(): void {
    clearTimeout(timer);
    current.abort();
  }

  return {
    ask(input) {
      stop();
      current = new AbortController();
      const { signal } = current;
      timer = setTimeout(() => {
        work(input, signal).catch((error) => {
          if (!signal.aborted) throw error;
        });
      }, delayMs);
    },
    stop,
  };
}
