/** An engine for trying the page without a server: it fills with one colour, and says how far it is. */

import { type Engine, EngineError, type Fill, type Hole, type Photo, type Progress } from "../../src/engine/engine";

const TURNS = 4;

export class FlatEngine implements Engine {
  readonly formats = ["png", "jpeg"];
  /** What was to be filled, one after the other. */
  readonly holes: Hole[] = [];

  async open(file: File): Promise<Photo> {
    try {
      const view = await createImageBitmap(file);
      return { file, width: view.width, height: view.height, view, notes: [] };
    } catch {
      throw new EngineError(`${file.name} is no picture.`);
    }
  }

  async fill(
    _photo: Photo,
    _earlier: Fill[],
    hole: Hole,
    options: { seed: number },
    onProgress: (progress: Progress) => void,
    signal: AbortSignal,
  ): Promise<Fill> {
    for (let turn = 0; turn < TURNS; turn++) {
      onProgress({ share: turn / TURNS });
      await new Promise((go) => setTimeout(go, 100));
      signal.throwIfAborted();
    }
    this.holes.push(hole);
    const { width, height } = hole.rect;
    const pixels = new Uint8ClampedArray(4 * width * height);
    const grey = 90 + 40 * (options.seed % 4);
    for (let at = 0; at < hole.mask.length; at++) pixels.set([grey, grey, grey, hole.mask[at]], 4 * at);
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d")?.putImageData(new ImageData(pixels, width), 0, 0);
    const content = await canvas.convertToBlob();
    return { rect: hole.rect, view: await createImageBitmap(canvas), content, notes: [] };
  }

  async save(photo: Photo, fills: Fill[]): Promise<{ content: Blob; name: string; notes: string[] }> {
    const canvas = new OffscreenCanvas(photo.width, photo.height);
    const context = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
    context.drawImage(photo.view, 0, 0);
    for (const { view, rect } of fills) context.drawImage(view, rect.left, rect.top);
    return { content: await canvas.convertToBlob(), name: "filled.png", notes: ["EXIF"] };
  }

  async readMask(file: File, photo: Photo): Promise<Uint8Array<ArrayBuffer>> {
    const view = await createImageBitmap(file);
    if (view.width !== photo.width || view.height !== photo.height) throw new EngineError("The mask has another size.");
    const context = new OffscreenCanvas(view.width, view.height).getContext("2d") as OffscreenCanvasRenderingContext2D;
    context.drawImage(view, 0, 0);
    const { data } = context.getImageData(0, 0, view.width, view.height);
    return Uint8Array.from({ length: data.length / 4 }, (_, at) => (data[4 * at] >= 128 ? 255 : 0));
  }
}
