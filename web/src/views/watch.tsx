import type { JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import shared from "../shared.json";
import { nameOf, say } from "../texts/texts";
import type { Training } from "./trainings/answers";
import { Chart, Swatch } from "./trainings/chart";
import { type Line, lossLines, namesOf, scoreLines, type Watched } from "./trainings/curves";
import { keepLooking, type Looking } from "./trainings/looking";
import { Sheets } from "./trainings/sheets";
import { chosen, hasEnded, look, now, problem, shown, toggle, trainings } from "./trainings/watching";
import { progressLine } from "./trainings/words";
import "./watch.css";

/** The trainings of the server: progress, curves and sample sheets, side by side. */
export function WatchView(): JSX.Element {
  const view = useRef<HTMLElement>(null);
  const looking = useLooking(view);
  const list = trainings.value;
  return (
    <main class="watch" ref={view}>
      {problem.value && (
        <p class="watch-problem" role="alert">
          {problem.value()}
        </p>
      )}
      {list?.length === 0 && <NoTrainings />}
      {list && list.length > 0 && (
        <>
          <Choice list={list} onAgain={() => looking.current?.again()} />
          <Chosen />
        </>
      )}
    </main>
  );
}

/** Poll the trainings while the view is visible. */
function useLooking(view: { current: HTMLElement | null }): { current: Looking | null } {
  const looking = useRef<Looking | null>(null);
  useEffect(() => {
    const isSeen = () => !document.hidden && view.current?.checkVisibility() !== false;
    const started = keepLooking(look, isSeen);
    looking.current = started;
    const again = () => document.hidden || started.again();
    // A training may have started while the page was in the background.
    document.addEventListener("visibilitychange", again);
    addEventListener("focus", again);
    return () => {
      document.removeEventListener("visibilitychange", again);
      removeEventListener("focus", again);
      started.stop();
    };
  }, [view]);
  return looking;
}

function NoTrainings(): JSX.Element {
  return (
    <div class="watch-empty">
      <h2>{say("watch_none")}</h2>
      <p>{say("watch_none_help")}</p>
      <pre>
        <code>
          {"onar serve --results_dir "}
          {say("watch_folder")}
          {"\nonar train --data "}
          {say("watch_photos")}
          {" --results_dir "}
          {say("watch_folder")}
        </code>
      </pre>
    </div>
  );
}

function Choice({ list, onAgain }: { list: Training[]; onAgain: () => void }): JSX.Element {
  return (
    <fieldset class="watch-choice">
      <legend>{say("watch_trainings")}</legend>
      <ul>
        {list.map((training) => (
          <li key={training.name}>
            <label>
              <input
                type="checkbox"
                checked={chosen.value?.has(training.name) ?? false}
                onChange={() => {
                  toggle(training.name);
                  onAgain();
                }}
              />
              <Key name={training.name} />
              <span class="watch-name">{training.name}</span>
            </label>
            <Progress training={training} />
          </li>
        ))}
      </ul>
      {list.every(hasEnded) && (
        <button type="button" class="button" onClick={onAgain}>
          {say("watch_again")}
        </button>
      )}
    </fieldset>
  );
}

function Key({ name }: { name: string }): JSX.Element {
  const colour = chosen.value?.get(name);
  return colour === undefined ? <span class="watch-swatch" /> : <Swatch colour={colour} />;
}

function Progress({ training }: { training: Training }): JSX.Element {
  const { progress, finished } = training;
  const line = progressLine(training, now.value);
  return (
    <p class={training.problem === null ? "watch-progress" : "watch-progress watch-problem"}>
      {progress && !finished && (
        <progress value={progress.epochs_done} max={progress.epochs} aria-label={training.name} />
      )}
      <span>{line}</span>
    </p>
  );
}

/** The curves and sheets of the chosen trainings. */
function Chosen(): JSX.Element {
  const [colours, known] = [chosen.value, shown.value];
  const watched = useMemo(
    () =>
      [...(colours ?? [])].flatMap(([name, colour]) => {
        const training = known.get(name);
        return training && training.problem === null ? [{ colour, training }] : [];
      }),
    [colours, known],
  );
  if (colours?.size === 0) return <p class="watch-quiet">{say("watch_choose")}</p>;
  return (
    <>
      <Charts title={say("watch_losses")} watched={watched} names={lossesOf(watched)} linesOf={lossLines} />
      <Charts title={say("watch_scores")} watched={watched} names={scoresOf(watched)} linesOf={scoreLines} />
      <Sheets watched={watched} />
    </>
  );
}

interface ChartsOf {
  title: string;
  watched: Watched[];
  names: string[];
  linesOf: (watched: Watched[], name: string) => Line[];
}

function Charts({ title, watched, names, linesOf }: ChartsOf): JSX.Element | null {
  const all = useMemo(() => names.map((name) => linesOf(watched, name)), [watched, names.join(), linesOf]);
  if (names.length === 0) return null;
  return (
    <section>
      <h2>{title}</h2>
      <div class="watch-charts">
        {names.map((name, index) => (
          <Chart key={name} title={titleOf(name)} lines={all[index] as Line[]} />
        ))}
      </div>
    </section>
  );
}

function lossesOf(watched: Watched[]): string[] {
  return namesOf(watched.map(({ training }) => training.losses));
}

function scoresOf(watched: Watched[]): string[] {
  return namesOf(watched.map(({ training }) => training.scores));
}

const TITLES: Record<string, string> = shared.titles;

/** The title of a curve: of scores in the language of the page; losses are called as the training prints them. */
function titleOf(name: string): string {
  return nameOf(name, TITLES[name] ?? name);
}
