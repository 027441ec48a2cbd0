/**
 * Which loads of the page still run: each has a name, and a lock by that name while it lives.
 *
 * Locks are there over HTTPS and on the own computer alone. Without them every other load counts as gone, and two tabs
 * still do not mix their work, because a document has one owner.
 */

/** In the storage of the tab, which outlives a reload and a crash: the name of its last load. */
const LAST = "onar.tab";
/** Likewise: that the last load was restoring when it ended. */
const RESTORING = "onar.restoring";
/** Milliseconds that the last load of a tab has to end. */
const ENDING = 1000;

export function randomName(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (number) => number.toString(36)).join("");
}

/** This load of the page. */
export const THIS_LOAD = randomName();

/** Hold this load's lock from now on, and say which load was the tab's last one; null for none, or one that runs. */
export async function enter(): Promise<string | null> {
  await new Promise<void>((resolve) => {
    const held = navigator.locks?.request(lockOf(THIS_LOAD), () => {
      resolve();
      return new Promise(() => {}); // for as long as the page lives
    });
    if (held === undefined) resolve();
    else held.catch(() => resolve());
  });
  const last = fromTab(LAST);
  return last !== null && (await hasEnded(last)) ? last : null; // a duplicate of a tab has its storage, too
}

/** To be called once the last load's work is this one's. */
export function remember(): void {
  toTab(LAST, THIS_LOAD);
}

async function hasEnded(load: string): Promise<boolean> {
  if (!navigator.locks) return true;
  try {
    await navigator.locks.request(lockOf(load), { signal: AbortSignal.timeout(ENDING) }, () => {});
    return true;
  } catch {
    return false;
  }
}

/** Those of some loads that no longer run. */
export async function endedOf(loads: readonly string[]): Promise<Set<string>> {
  const held = (await navigator.locks?.query())?.held ?? [];
  const running = new Set(held.map(({ name }) => name));
  return new Set(loads.filter((load) => !running.has(lockOf(load))));
}

function lockOf(load: string): string {
  return `onar load ${load}`;
}

/**
 * Run what restores work; a load that ended in the midst of it is known the next time.
 *
 * What the browser has no memory for must not end the page again and again.
 */
export async function guarded(restore: () => Promise<void>): Promise<void> {
  toTab(RESTORING, "yes");
  await restore();
  toTab(RESTORING, null);
}

/** Whether the tab's last load ended while it was restoring. */
export function endedRestoring(): boolean {
  const was = fromTab(RESTORING) !== null;
  toTab(RESTORING, null);
  return was;
}

function fromTab(name: string): string | null {
  try {
    return sessionStorage.getItem(name);
  } catch {
    return null; // storage is disabled
  }
}

function toTab(name: string, value: string | null): void {
  try {
    if (value === null) sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, value);
  } catch {
    // storage is disabled
  }
}
