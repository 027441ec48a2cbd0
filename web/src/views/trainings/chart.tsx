import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import type uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { language, say } from "../../texts/texts";
import { COLOURS, DASHES, joined, type Line, lastEpoch, rowsOf, valueAt } from "./curves";
import { looks, noticeLooks } from "./looks";
import { digits, epochs } from "./words";

const HEIGHT = 190;
const ROWS = 12;

/** Charts of curves by epoch, with a description and a table. */
export function Chart({ title, lines }: { title: string; lines: Line[] }): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  const at = useSignal<number | null>(null);
  const caption = useId();
  usePlot(host, lines, (epoch) => {
    at.value = epoch;
  });
  const epoch = at.value ?? lastEpoch(lines);
  return (
    <figure class="watch-chart" aria-labelledby={caption}>
      <figcaption id={caption}>
        {title} <span class="watch-at">{say("watch_at_epoch", { epoch: epochs(epoch) })}</span>
      </figcaption>
      <div ref={host} class="watch-plot" role="img" aria-label={inWords(title, lines)} />
      <ul class="watch-readout">
        {lines.map((line) => (
          <li key={line.label}>
            <Swatch colour={line.colour} dash={line.dash} />
            <span class="watch-label">{line.label}</span> <b>{digits(valueAt(line.curve, epoch))}</b>
          </li>
        ))}
      </ul>
      <Table title={title} lines={lines} />
    </figure>
  );
}

/** A legend swatch of a line. */
export function Swatch({ colour, dash = 0 }: { colour: number | null; dash?: number }): JSX.Element {
  return (
    <svg class={`watch-swatch ${colourClass(colour)}`} viewBox="0 0 24 4" aria-hidden="true">
      <line x1="0" y1="2" x2="24" y2="2" stroke-dasharray={dashOf(dash).join(" ")} />
    </svg>
  );
}

function Table({ title, lines }: { title: string; lines: Line[] }): JSX.Element {
  const open = useSignal(false);
  return (
    <details
      onToggle={(event) => {
        open.value = event.currentTarget.open;
      }}
    >
      <summary>{say("watch_table", { title })}</summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached with keys */}
      <section class="watch-table" tabIndex={0} aria-label={title}>
        {open.value && (
          <table>
            <thead>
              <tr>
                <th scope="col">{say("watch_epoch")}</th>
                {lines.map((line) => (
                  <th scope="col" key={line.label}>
                    {line.label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rowsOf(lines, ROWS).map(({ epoch, values }) => (
                <tr key={epoch}>
                  <th scope="row">{epochs(epoch)}</th>
                  {values.map((value, index) => (
                    <td key={lines[index]?.label}>{digits(value)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </section>
    </details>
  );
}

function inWords(title: string, lines: Line[]): string {
  const values = lines.map(({ label, curve }) =>
    say("watch_curve", {
      label,
      first: digits(curve.values[0] ?? null),
      last: digits(curve.values.at(-1) ?? null),
      epoch: epochs(curve.epochs.at(-1) ?? 0),
    }),
  );
  return `${title}. ${values.join("; ")}`;
}

/** Keep a plot of the lines in an element; it is recreated only when more than its points changes. */
function usePlot(
  host: { current: HTMLDivElement | null },
  lines: Line[],
  onCursor: (epoch: number | null) => void,
): void {
  const plot = useRef<uPlot | null>(null);
  const shape = JSON.stringify([lines.map(({ label, colour, dash }) => [label, colour, dash]), language.value]);
  const look = looks.value;
  const data = useRef(lines);
  data.current = [...lines].reverse(); // the first one is drawn last, on top of the others
  useEffect(() => {
    noticeLooks();
    const element = host.current as HTMLDivElement;
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    let isShown = true;
    // Loaded with the first curve: who fills photos never needs it.
    import("uplot").then(({ default: Plot }) => {
      if (!isShown) return;
      plot.current = new Plot(optionsOf(element, data.current, onCursor), joined(data.current), element);
      resized.observe(element);
    }, console.error); // the table has the numbers
    return () => {
      isShown = false;
      resized.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape, look]);
  useEffect(() => plot.current?.setData(joined(data.current)), [lines]);
}

function optionsOf(host: HTMLElement, lines: Line[], onCursor: (epoch: number | null) => void): uPlot.Options {
  const style = getComputedStyle(host);
  const axis: uPlot.Axis = {
    stroke: style.color,
    font: `12px ${style.fontFamily}`,
    grid: { stroke: style.borderTopColor, width: 1 },
    ticks: { stroke: style.borderTopColor, width: 1, size: 4 },
    values: (_, values) => values.map((value) => digits(value)),
  };
  return {
    width: host.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { x: { time: false, range: (_, low, high) => (low === high ? [low - 0.5, high + 0.5] : [low, high]) } },
    axes: [
      { ...axis, size: 28 },
      { ...axis, size: (_, values) => 14 + 7 * Math.max(0, ...(values ?? []).map((value) => value.length)) },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        stroke: colourIn(host, line.colour),
        dash: dashOf(line.dash),
        width: 1.75,
        spanGaps: true,
      })),
    ],
    hooks: {
      setCursor: [
        (plot) => {
          const left = plot.cursor.left ?? -1;
          onCursor(left < 0 ? null : plot.posToVal(left, "x"));
        },
      ],
    },
  };
}

/** The colour of a class of `watch.css`, for a canvas. */
function colourIn(host: HTMLElement, colour: number | null): string {
  const probe = document.createElement("span");
  probe.className = colourClass(colour);
  host.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function colourClass(colour: number | null): string {
  return colour === null ? "watch-colour-common" : `watch-colour-${colour % COLOURS}`;
}

function dashOf(dash: number): number[] {
  return DASHES[dash % DASHES.length] as number[];
}
