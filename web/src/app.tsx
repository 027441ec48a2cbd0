import { effect, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { Header } from "./components/header";
import { Actions } from "./editor/components/actions";
import { createState } from "./editor/state";
import type { Engine } from "./engine/engine";
import { theme } from "./preferences";
import type { Site } from "./site";
import { language, say } from "./texts/texts";
import { CompleteView } from "./views/complete";
import { MasksView } from "./views/masks";
import { WatchView } from "./views/watch";

type View = "complete" | "watch" | "masks";

/** The page: its views, of which the browser's engine has one only. */
export function App({ site, engine }: { site: Site; engine: Engine }): JSX.Element {
  const view = useSignal<View>("complete");
  const state = useMemo(() => createState(site, engine), []);
  useEffect(() => effect(followPreferences), []);
  const views: View[] = site.engine === "server" ? ["complete", "watch", "masks"] : ["complete"];
  const isCompleting = view.value === "complete";
  return (
    <>
      <Header
        views={views}
        shown={view.value}
        onShow={(chosen) => {
          view.value = chosen;
        }}
      >
        {isCompleting && <Actions state={state} />}
      </Header>
      {/* Kept while another view is shown: nobody wants to paint twice. */}
      <CompleteView state={state} hidden={!isCompleting} />
      {view.value === "watch" && <WatchView />}
      {view.value === "masks" && <MasksView />}
    </>
  );
}

/** What the document itself must know of how the page speaks and looks. */
function followPreferences(): void {
  const { documentElement } = document;
  documentElement.lang = language.value;
  documentElement.dataset.theme = theme.value;
  document.title = `Onar: ${say("complete_headline").toLocaleLowerCase(language.value)}`;
}
