/** Long work in slices, so that the page stays responsive. */

/** Milliseconds between yields. */
const SLICE = 12;

let since = 0;

/** Yield to the page if it is time. */
export async function breathe(): Promise<void> {
  if (performance.now() - since < SLICE) return;
  await new Promise((resolve) => setTimeout(resolve));
  since = performance.now();
}

/** Process a picture's rows in bands of about `pixels` pixels. */
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
