/** Long work in slices: between two of them the page draws, and hears its user. */

/** Milliseconds after which the page has a turn. */
const SLICE = 12;

let since = 0;

/** Give the page a turn if it is time for one. */
export async function breathe(): Promise<void> {
  if (performance.now() - since < SLICE) return;
  await new Promise((resolve) => setTimeout(resolve));
  since = performance.now();
}

/** Do something to a picture's rows in bands, about `pixels` at once. */
export async function inBands(
  { width, height }: { width: number; height: number },
  work: (top: number, bottom: number) => void,
  pixels = 500_000,
): Promise<void> {
  const rows = Math.max(1, Math.floor(pixels / Math.max(1, width)));
  for (let top = 0; top < height; top += rows) {
    work(top, Math.min(height, top + rows));
    await breathe();
  }
}
