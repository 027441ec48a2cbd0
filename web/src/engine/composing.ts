/** Fills of a server as they are shown: one picture that holds all pieces, laid on what the photo shows there. */

import { say } from "../texts/texts";
import { EngineError, type Fill, type Patch, type Photo, type Rect } from "./engine";
import { withMargin } from "./patches";

/** A picture with rectangles one below the other, each at the left edge. */
export interface Sheet {
  rects: readonly Rect[];
  picture: ImageBitmap;
}

/**
 * What a fill shows: its pieces, and a little of the photo round each.
 *
 * @param earlier - what lies on the photo below it
 * @param under - shows rectangles of the photo; null when nobody does, and then there is nothing round the pieces
 */
export async function composed(
  photo: Photo,
  earlier: Fill[],
  filled: Sheet,
  under: (rects: Rect[]) => Promise<Sheet | null>,
): Promise<Patch[]> {
  const rects = filled.rects.map((rect) => withMargin(rect, photo));
  const below = isWhole(photo) ? null : await under(rects);
  const patches = rects.map((rect, number) => {
    const context = contextOf(rect.width, rect.height);
    if (isWhole(photo)) context.drawImage(photo.view, -rect.left, -rect.top);
    else if (below !== null) drawSheet(context, rect, below, number);
    for (const patch of earlier.flatMap(({ patches }) => patches)) {
      context.drawImage(patch.view, patch.rect.left - rect.left, patch.rect.top - rect.top);
    }
    // What is half transparent would be seen twice, here and of the photo below.
    if (!isOpaque(context, rect)) context.clearRect(0, 0, rect.width, rect.height);
    drawSheet(context, rect, filled);
    return { rect, view: context.canvas.transferToImageBitmap() };
  });
  below?.picture.close();
  return patches;
}

/** Whether a photo is shown with all of its pixels. */
export function isWhole({ view, width, height }: Photo): boolean {
  return view.width === width && view.height === height;
}

/** Draw what of a sheet lies on a part of the photo: all of it, or one rectangle. */
function drawSheet(context: OffscreenCanvasRenderingContext2D, part: Rect, { rects, picture }: Sheet, only?: number) {
  let row = 0;
  rects.forEach(({ left, top, width, height }, number) => {
    if (only === undefined || only === number) {
      context.drawImage(picture, 0, row, width, height, left - part.left, top - part.top, width, height);
    }
    row += height;
  });
}

function isOpaque(context: OffscreenCanvasRenderingContext2D, { width, height }: Rect): boolean {
  const { data } = context.getImageData(0, 0, width, height);
  for (let alpha = 3; alpha < data.length; alpha += 4) if (data[alpha] !== 255) return false;
  return true;
}

export function contextOf(width: number, height: number): OffscreenCanvasRenderingContext2D {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (context === null) throw new EngineError(() => say("server_no_memory"));
  return context;
}

/** Rectangles as the API takes them. */
export function written(rects: readonly Rect[]): string {
  return rects.map(({ left, top, width, height }) => `${left},${top},${width},${height}`).join(";");
}
