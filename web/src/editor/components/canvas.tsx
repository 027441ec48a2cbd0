import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Photo } from "../../engine/engine";
import { say } from "../../texts/texts";
import { paintByKey } from "../keyboard";
import { listen } from "../pointer";
import { show } from "../stage";
import type { State } from "../state";

/** The photo, painted on by pointer and keyboard. */
export function Canvas({ state, photo }: { state: State; photo: Photo }): JSX.Element {
  const element = useRef<HTMLDivElement>(null);
  const drawing = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (element.current === null || drawing.current === null) return;
    const ends = [show(state, drawing.current), listen(state, element.current)];
    element.current.focus({ preventScroll: true });
    return () => {
      for (const end of ends) end();
    };
  }, []);
  const { scale, left, top } = state.viewport.value;
  const { name } = photo.file;
  return (
    <div
      ref={element}
      class="canvas"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: the canvas takes keys
      tabIndex={0}
      role="application"
      aria-label={say("complete_canvas", { name, width: photo.width, height: photo.height })}
      aria-describedby="canvas-keys"
      data-tool={state.comparison.value === "none" ? state.tool.value : state.comparison.value}
      data-scale={scale}
      data-left={left}
      data-top={top}
      onKeyDown={(event) => paintByKey(state, event)}
    >
      <div ref={drawing} />
      <p id="canvas-keys" class="unseen">
        {say("complete_canvas_keys")}
      </p>
    </div>
  );
}
