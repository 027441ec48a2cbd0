/** Display of a server's fills: one sheet with all pieces, composed with the photo below. */

import { say } from "../texts/texts";
import { EngineError, type Fill, type Patch, type Photo, type Rect } from "./engine";
import { innerOf, rectsOf } from "./margins";
import { withMargin } from "./patches";

/** A sheet of rectangles, stacked at the left edge. */
export interface Sheet {
  rects: readonly Rect[];
  picture: ImageBitmap;
}

/**
 * The picture of a fill: its pieces with a margin of the photo.
 *
 * @param earlier - the fills below it
 * @param under - provides rectangles of the photo; null for pieces without margins
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
    if (isWhole(photo)) drawWhole(context, photo, rect);
    else if (below !== null) drawSheet(context, rect, below, number);
    for (const patch of earlier.flatMap(({ patches }) => patches)) {
      context.drawImage(patch.view, patch.rect.left - rect.left, patch.rect.top - rect.top);
    }
    // Translucent pixels would be blended twice, here and in the photo below.
    if (!isOpaque(context, rect)) context.clearRect(0, 0, rect.width, rect.height);
    drawSheet(context, rect, filled);
    return { rect, view: context.canvas.transferToImageBitmap() };
  });
  below?.picture.close();
  return patches;
}

/** Whether the view has the photo's full size. */
export function isWhole(photo: Photo): boolean {
  const { width, height } = innerOf(photo);
  return photo.view.width === width && photo.view.height === height;
}

/** Draw a part of a photo, black in its margins. */
function drawWhole(context: OffscreenCanvasRenderingContext2D, photo: Photo, part: Rect): void {
  const { left, top } = photo.margins;
  for (const margin of rectsOf(photo.margins, photo.view)) {
    context.fillRect(margin.left - part.left, margin.top - part.top, margin.width, margin.height);
  }
  context.drawImage(photo.view, left - part.left, top - part.top);
}

/** Draw the rectangles of a sheet, or one of them, on a part of the photo. */
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

/** Rectangles in the format of the API. */
export function written(rects: readonly Rect[]): string {
  return rects.map(({ left, top, width, height }) => `${left},${top},${width},${height}`).join(";");
}
