import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { Site } from "./site";
import { say } from "./texts/texts";
import { CompleteView } from "./views/complete";
import { MasksView } from "./views/masks";
import { WatchView } from "./views/watch";

const VIEWS = { complete: CompleteView, watch: WatchView, masks: MasksView };
type View = keyof typeof VIEWS;

/** The page: its views, of which the browser's engine has one only. */
export function App({ site }: { site: Site }): JSX.Element {
  const view = useSignal<View>("complete");
  const views: View[] = site.engine === "server" ? ["complete", "watch", "masks"] : ["complete"];
  const Shown = VIEWS[view.value];
  return (
    <>
      <header>
        <h1>Onar</h1>
        <nav>
          {views.map((name) => (
            <button
              type="button"
              key={name}
              aria-current={view.value === name ? "page" : undefined}
              onClick={() => {
                view.value = name;
              }}
            >
              {say(`tab_${name}`)}
            </button>
          ))}
        </nav>
      </header>
      <Shown site={site} />
    </>
  );
}
