/** Names of saved photos. */

/** Endings that a file may keep when it is written again, by its type. */
const ENDINGS: Record<string, RegExp> = {
  "image/jpeg": /\.(jpe?g|jpe|jfif)$/i,
  "image/tiff": /\.tiff?$/i,
};

/** A name without its ending; of "Minutes 12.03.2024", all of it. */
export function stemOf(name: string): string {
  return name.slice(0, name.length - endingOf(name).length);
}

/** With its dot; nothing where there is none. */
function endingOf(name: string): string {
  return /\.[a-z][^.]*$/i.exec(name)?.[0] ?? "";
}

/** A stem with `_completed`, and the number added by Onar or the browser. */
const COMPLETED = /^(.*_completed)(?:_(\d+))?(?: ?\(\d+\))?$/;

/** A stem with `_completed`, numbered from the second time on. */
function completedStem(stem: string): string {
  const [, before, times] = COMPLETED.exec(stem) ?? [];
  return before === undefined ? `${stem}_completed` : `${before}_${Number(times ?? 1) + 1}`;
}

/** The name of a saved photo: with its own extension where it fits the type, otherwise the usual one. */
export function nameFor(name: string, type: string, usual: string): string {
  const ending = endingOf(name);
  return `${completedStem(stemOf(name))}${ENDINGS[type]?.test(ending) || ending.toLowerCase() === usual ? ending : usual}`;
}

/** A name that is free: with a number where it is taken, `photo_completed_2.jpg`. */
export async function numbered(name: string, isTaken: (name: string) => Promise<boolean>): Promise<string> {
  let free = name;
  while (await isTaken(free)) free = `${completedStem(stemOf(free))}${endingOf(free)}`;
  return free;
}
