/** Debounced work. */

export interface Latest<T> {
  /** Request the work; an earlier request is aborted. */
  ask(input: T): void;
  stop(): void;
}

/**
 * Debounce: run the latest request after a delay without further ones.
 *
 * @param work - is aborted by its signal; errors are ignored then
 * @param delayMs - the delay
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
