import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useId } from "preact/hooks";
import { say } from "../../texts/texts";
import { addressOfSheet } from "./answers";
import { Swatch } from "./chart";
import type { Watched } from "./curves";
import { choiceOf, epochsWithSheets, epochToShow, sheetOf } from "./sheet_choice";

/** The sample sheets of the watched trainings, side by side; the newest, until the user chooses another one. */
export function Sheets({ watched }: { watched: Watched[] }): JSX.Element | null {
  const wanted = useSignal<number | null>(null);
  const id = useId();
  const epochs = epochsWithSheets(watched.map(({ training }) => training));
  const epoch = epochToShow(epochs, wanted.value);
  if (epoch === null) return null;
  return (
    <section aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`}>{say("watch_samples")}</h2>
      {epochs.length > 1 && (
        <p class="watch-slider">
          <label for={id}>{say("watch_epoch")}</label>
          <input
            id={id}
            type="range"
            min={0}
            max={epochs.length - 1}
            value={epochs.indexOf(epoch)}
            aria-valuetext={say("watch_at_epoch", { epoch })}
            onInput={(event) => {
              wanted.value = choiceOf(epochs, epochs[event.currentTarget.valueAsNumber] as number);
            }}
          />
          <output for={id}>{epoch}</output>
        </p>
      )}
      <div class="watch-sheets">
        {watched.map((each) => (
          <SheetOf key={each.training.name} {...each} epoch={epoch} />
        ))}
      </div>
    </section>
  );
}

function SheetOf({ training, colour, epoch }: Watched & { epoch: number }): JSX.Element {
  const sheet = sheetOf(training, epoch);
  const { name } = training;
  return (
    <figure>
      <figcaption>
        <Swatch colour={colour} /> {name}
      </figcaption>
      {sheet ? (
        <a href={addressOfSheet(name, sheet)} target="_blank" rel="noreferrer">
          <img src={addressOfSheet(name, sheet)} alt={say("watch_sheet", { name, epoch })} />
        </a>
      ) : (
        <p class="watch-quiet">{say("watch_no_sheet", { epoch })}</p>
      )}
    </figure>
  );
}
