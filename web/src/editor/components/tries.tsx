import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { say } from "../../texts/texts";
import type { Filled } from "../document";
import type { State } from "../state";
import { drawTry, type Tries, take, takeNone } from "../trying";
import { copiesAlone } from "../weights";
import { Dialog } from "./dialogs";

/** Tries side by side, of which a click takes one. */
export function TriesDialog({ state }: { state: State }): JSX.Element | null {
  const tries = state.tries.value;
  if (tries === null) return null;
  return (
    <Dialog title={say("tries_title")} class="tries" onClose={() => takeNone(state)}>
      <ul>
        {tries.tries.map((one, number) => (
          <li key={number}>
            <button type="button" class="try" onClick={() => take(state, one)}>
              <Picture tries={tries} one={one} />
              <span>{wordsOf(state, one)}</span>
            </button>
          </li>
        ))}
      </ul>
      <div class="dialog-buttons">
        <button type="button" class="button" onClick={() => takeNone(state)}>
          {say("tries_none")}
        </button>
      </div>
    </Dialog>
  );
}

function Picture({ tries, one }: { tries: Tries; one: Filled }): JSX.Element {
  const element = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    if (element.current !== null) drawTry(element.current, tries, one);
  }, [tries, one]);
  return <canvas ref={element} />;
}

/** How a try was filled. */
function wordsOf({ site, weights }: State, { options }: Filled): string {
  const { texture, seed } = options;
  if (options.weights !== weights.value.name) return options.weights;
  if (!site.copies) return options.weights;
  const isRandom = texture === "patches" || (texture === "auto" && copiesAlone(weights.value));
  const way = say(`complete_texture_${texture}`);
  return isRandom ? say("tries_seeded", { way, seed }) : way;
}
