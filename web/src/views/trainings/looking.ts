/** Looking again and again, while somebody sees it and as long as there may be something new. */

export const SECONDS = 2;

export interface Looking {
  /** Look at once. */
  again(): void;
  stop(): void;
}

/**
 * Look now, and every `SECONDS` after that.
 *
 * @param look - looks once; says whether there may be more to see later
 * @param isSeen - whether anybody sees what is looked at; nobody is asked while nobody does
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
