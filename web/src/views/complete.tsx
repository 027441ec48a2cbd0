import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { isAnyUnsaved } from "../editor/album";
import { Canvas } from "../editor/components/canvas";
import { Help, Question } from "../editor/components/dialogs";
import { Empty } from "../editor/components/empty";
import { FindMenu } from "../editor/components/find_menu";
import { Loupe } from "../editor/components/loupe";
import { Messages, SplitSlider } from "../editor/components/messages";
import { Panel } from "../editor/components/panel";
import { Preview } from "../editor/components/preview";
import { LeaveQuestion, Strip } from "../editor/components/strip";
import { LookBar, Toolbar } from "../editor/components/toolbar";
import { TriesDialog } from "../editor/components/tries";
import { receiveFiles } from "../editor/files";
import { measure } from "../editor/frame";
import { listenToKeys } from "../editor/keyboard";
import { guardUnsaved } from "../editor/opening";
import { isPaintable, type State } from "../editor/state";
import { say } from "../texts/texts";

/** Painting holes and filling them. */
export function CompleteView({ state, hidden }: { state: State; hidden: boolean }): JSX.Element {
  const element = useRef<HTMLElement>(null);
  const dragging = useSignal(false);
  useEffect(() => guardUnsaved(() => isAnyUnsaved(state)), []);
  useEffect(() => (hidden ? undefined : listenToKeys(state)), [hidden]);
  useEffect(() => (hidden ? undefined : receiveFiles(state, dragging)), [hidden]);
  const photo = state.photo.value;
  // Before painting, so that the photo does not flicker when a panel opens.
  useLayoutEffect(() => {
    const main = element.current;
    if (main === null) return;
    measure(state, main);
    const observer = new ResizeObserver(() => measure(state, main));
    observer.observe(main);
    for (const over of main.querySelectorAll("[data-over]")) observer.observe(over);
    return () => observer.disconnect();
  }, [photo === null, state.panel.value, state.album.isOpen.value]);
  const { mask, fills } = state.work.value;
  return (
    <main
      ref={element}
      class="complete"
      hidden={hidden}
      data-state={state.busy.value !== null ? "busy" : photo === null ? "empty" : "ready"}
      data-paintable={isPaintable(state)}
      data-steps={mask.length}
      data-fills={fills.length}
    >
      {photo === null ? <Empty state={state} /> : <Canvas state={state} photo={photo} />}
      {photo !== null && <Loupe state={state} />}
      {state.preview.value !== null && <Preview file={state.preview.value} />}
      <div class="bottom">
        {state.comparison.value === "slider" && <SplitSlider state={state} />}
        <Messages state={state} />
        {photo !== null && state.finder.value && <FindMenu state={state} />}
        {photo !== null && <Toolbar state={state} />}
        {state.album.isOpen.value && <Strip state={state} />}
      </div>
      {photo !== null && (
        <div class="side">
          <LookBar state={state} />
          {state.panel.value && <Panel state={state} />}
        </div>
      )}
      {dragging.value && <div class="dropping">{say("complete_drop_now")}</div>}
      <Question state={state} />
      <LeaveQuestion state={state} />
      <TriesDialog state={state} />
      <Help state={state} />
    </main>
  );
}
