/** Names of photos that were written anew. */

/** Endings that a file may keep when it is written again, by its type. */
const ENDINGS: Record<string, RegExp> = {
  "image/jpeg": /\.(jpe?g|jpe|jfif)$/i,
  "image/tiff": /\.tiff?$/i,
};

/** The name of a written photo: with its own ending where that fits its type, or else with the usual one. */
export function nameFor(name: string, type: string, usual: string): string {
  const ending = /\.[^.]*$/.exec(name)?.[0] ?? "";
  const stem = name.slice(0, name.length - ending.length);
  return `${stem}_completed${ENDINGS[type]?.test(ending) || ending.toLowerCase() === usual ? ending : usual}`;
}
