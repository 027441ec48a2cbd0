/** Polling while the view is visible. */

export const SECONDS = 2;

export interface Looking {
  /** Poll now. */
  again(): void;
  stop(): void;
}

/**
 * Poll now, and every `SECONDS` after that.
 *
 * @param look - polls once; returns whether more may follow
 * @param isSeen - whether the view is visible; there are no requests while it is not
 */
export function keepLooking(look: () => Promise<boolean>, isSeen: () => boolean): Looking {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let looking = false;
  let wanted = false;
  let stopped = false;

  async function turn(): Promise<void> {
    looking = true;
    let more: boolean;
    do {
      wanted = false;
      more = await look();
    } while (wanted && !stopped);
    looking = false;
    if (more && !stopped) later();
  }

  function tick(): void {
    if (isSeen()) void turn();
    else later();
  }

  function later(): void {
    timer = setTimeout(tick, SECONDS * 1000);
  }

  tick();
  return {
    again() {
      clearTimeout(timer);
      wanted = true;
      if (!looking && !stopped) tick();
    },
    stop() {
      clearTimeout(timer);
      stopped = true;
    },
  };
}
