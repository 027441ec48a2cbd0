import { RotateCcw, Trash2 } from "lucide";
import type { JSX } from "preact";
import { Icon } from "../../components/icon";
import type { Offer } from "../../keeping/restoring";
import { keepsWork } from "../../preferences";
import { language, say } from "../../texts/texts";
import type { State } from "../state";

/** Unsaved work of other visits, to be restored or thrown away. */
export function Offers({ state }: { state: State }): JSX.Element | null {
  const offers = state.offers.value;
  if (offers.length === 0) return null;
  return (
    <section class="offers" aria-labelledby="offers">
      <h3 id="offers">{say("keep_offers")}</h3>
      <ul>
        {offers.map((offer) => (
          <li key={offer.id}>
            <OneOffer offer={offer} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function OneOffer({ offer: { name: nameOf, changed, restore, throwAway } }: { offer: Offer }): JSX.Element {
  const name = nameOf();
  const when = changed.toLocaleString(language.value, { dateStyle: "medium", timeStyle: "short" });
  return (
    <>
      <span>{say("keep_offer", { name, when })}</span>
      <button type="button" class="button small" aria-label={say("keep_restore_label", { name })} onClick={restore}>
        <Icon of={RotateCcw} />
        <span>{say("keep_restore")}</span>
      </button>
      <button
        type="button"
        class="button small"
        aria-label={say("keep_throw_away_label", { name })}
        onClick={throwAway}
      >
        <Icon of={Trash2} />
        <span>{say("keep_throw_away")}</span>
      </button>
    </>
  );
}

/** The switch of keeping; off deletes what is kept. */
export function KeepSwitch(): JSX.Element {
  return (
    <label class="check" title={say("keep_help")}>
      <input
        type="checkbox"
        checked={keepsWork.value}
        onChange={(event) => {
          keepsWork.value = event.currentTarget.checked;
        }}
      />
      <span>{say("keep_switch")}</span>
    </label>
  );
}
