/** Canvases above each other in one element, each redrawn at most once per frame. */

import { untracked } from "@preact/signals";
import type { Context, Size } from "./steps";
import type { Viewport } from "./viewport";

/** Higher pixel ratios are invisible, and cost time. */
const MAX_PIXEL_RATIO = 2;

/** Canvas pixels per CSS pixel. */
export function pixelRatio(): number {
  return Math.min(window.devicePixelRatio, MAX_PIXEL_RATIO);
}

export class Stage {
  size: Size = { width: 1, height: 1 };
  viewport: Viewport = { scale: 1, left: 0, top: 0 };
  readonly #container: HTMLElement;
  readonly #layers: Layer[] = [];
  readonly #end = new AbortController();

  constructor(container: HTMLElement) {
    this.#container = container;
    this.#followScreen();
  }

  /** @param draw - draws in pixels of the photo */
  add(draw: (context: Context) => void): Layer {
    const layer = new Layer(this, draw);
    this.#container.append(layer.canvas);
    this.#layers.push(layer);
    layer.resize();
    return layer;
  }

  resize(size: Size): void {
    this.size = size;
    for (const layer of this.#layers) layer.resize();
  }

  move(viewport: Viewport): void {
    this.viewport = viewport;
    for (const layer of this.#layers) layer.redraw();
  }

  /** Remove all canvases. */
  destroy(): void {
    this.#end.abort();
    for (const { canvas } of this.#layers) canvas.remove();
  }

  /** The ratio changes with zoom and with the screen. */
  #followScreen(): void {
    const screen = window.matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`);
    const follow = (): void => {
      this.resize(this.size);
      this.#followScreen();
    };
    screen.addEventListener("change", follow, { once: true, signal: this.#end.signal });
  }
}

export class Layer {
  readonly canvas = document.createElement("canvas");
  readonly #stage: Stage;
  readonly #draw: (context: Context) => void;
  #isAwaited = false;

  constructor(stage: Stage, draw: (context: Context) => void) {
    this.#stage = stage;
    this.#draw = draw;
  }

  resize(): void {
    const { width, height } = this.#stage.size;
    Object.assign(this.canvas, { width: width * pixelRatio(), height: height * pixelRatio() });
    Object.assign(this.canvas.style, { position: "absolute", left: "0", top: "0" });
    Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
    // Its size empties a canvas, and the next frame may be late: sizes are observed after a frame's callbacks.
    untracked(() => this.drawOver());
  }

  /** Redraw it with the next frame. */
  redraw(): void {
    if (this.#isAwaited) return;
    this.#isAwaited = true;
    requestAnimationFrame(() => {
      this.#isAwaited = false;
      this.canvas.getContext("2d")?.clearRect(0, 0, this.canvas.width, this.canvas.height);
      this.drawOver();
    });
  }

  /** Draw now, over what is there. */
  drawOver(): void {
    const context = this.canvas.getContext("2d");
    if (context === null) return;
    const { scale, left, top } = this.#stage.viewport;
    const ratio = pixelRatio();
    context.save();
    context.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * left, ratio * top);
    this.#draw(context);
    context.restore();
  }
}
