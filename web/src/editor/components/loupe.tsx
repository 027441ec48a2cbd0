import { useSignalEffect } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import type { State } from "../state";

/** Side in CSS pixels, and how much it enlarges. */
const SIDE = 120;
const ZOOM = 2;
/** Distance from the finger, which would cover it. */
const AWAY = 60;
/** Opacity of the layers of the canvas: photo, mask, aids. */
const OPACITY = [1, 0.6, 1];

/** The pixels that a painting finger covers, enlarged beside it. */
export function Loupe({ state }: { state: State }): JSX.Element {
  const element = useRef<HTMLCanvasElement>(null);
  useSignalEffect(() => {
    const [finger, live] = [state.finger.value, state.live.value];
    const canvas = element.current;
    if (canvas === null) return;
    canvas.hidden = finger === null || live === null;
    if (finger === null || live === null) return;
    const isBelow = finger.y < SIDE + AWAY;
    const left = Math.min(Math.max(finger.x - SIDE / 2, 0), state.frame.value.width - SIDE);
    const top = isBelow ? finger.y + AWAY : finger.y - SIDE - AWAY;
    canvas.style.transform = `translate(${left}px, ${top}px)`;
    const frame = requestAnimationFrame(() => draw(canvas, finger.x, finger.y));
    return () => cancelAnimationFrame(frame);
  });
  return <canvas ref={element} class="loupe" width={SIDE * ZOOM} height={SIDE * ZOOM} hidden />;
}

function draw(canvas: HTMLCanvasElement, x: number, y: number): void {
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  context.fillStyle = getComputedStyle(canvas).backgroundColor;
  context.fillRect(0, 0, canvas.width, canvas.height);
  document.querySelectorAll<HTMLCanvasElement>(".canvas canvas").forEach((layer, number) => {
    const ratio = layer.width / layer.clientWidth;
    const side = (SIDE / ZOOM) * ratio;
    context.globalAlpha = OPACITY[number];
    context.drawImage(layer, x * ratio - side / 2, y * ratio - side / 2, side, side, 0, 0, canvas.width, canvas.height);
  });
  context.globalAlpha = 1;
}
