import { effect, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { Header } from "./components/header";
import { openFiles } from "./editor/album";
import { Actions } from "./editor/components/actions";
import { createState, type State } from "./editor/state";
import type { Engine } from "./engine/engine";
import { keepWork } from "./keeping/keeper";
import { theme } from "./preferences";
import type { Site } from "./site";
import { language, say } from "./texts/texts";
import { CompleteView } from "./views/complete";

type OtherView = "watch" | "masks";
type View = "complete" | OtherView;

interface Properties {
  site: Site;
  engine: Engine;
  /** Further views, in order. */
  others: Partial<Record<OtherView, () => JSX.Element>>;
  /** A photo that another app shares. */
  shared?: Promise<File | null>;
}

/** The page: its views. */
export function App({ site, engine, others, shared }: Properties): JSX.Element {
  const view = useSignal<View>("complete");
  const state = useMemo(() => createState(site, engine), []);
  useEffect(() => effect(followPreferences), []);
  useEffect(() => void begin(state, shared), []);
  const views: View[] = ["complete", ...(Object.keys(others) as OtherView[])];
  const isCompleting = view.value === "complete";
  const Other = view.value === "complete" ? undefined : others[view.value];
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
      {/* Stays mounted while another view is shown, to keep the painted mask. */}
      <CompleteView state={state} hidden={!isCompleting} />
      {Other && <Other />}
    </>
  );
}

/** Take up what another app shares, or the unsaved work of the last visit. */
async function begin(state: State, shared?: Promise<File | null>): Promise<void> {
  const photo = (await shared) ?? undefined;
  await Promise.all([openFiles(state, photo === undefined ? [] : [photo]), keepWork(state, photo === undefined)]);
}

/** Reflect language and theme in the document. */
function followPreferences(): void {
  const { documentElement } = document;
  documentElement.lang = language.value;
  documentElement.dataset.theme = theme.value;
  document.title = `Onar: ${say("complete_headline").toLocaleLowerCase(language.value)}`;
}
