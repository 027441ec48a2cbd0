/** The weights to choose from, in words. */

import type { WeightsChoice } from "../site";
import type { TextKey } from "../texts/english";
import { say } from "../texts/texts";

const ABOUT: Record<string, TextKey> = {
  bundled: "weights_bundled",
  pyramid: "weights_pyramid",
  trained: "weights_trained",
  lama: "weights_lama",
  lama_unit: "weights_lama",
  lama_stacked: "weights_lama",
  migan: "weights_migan",
  migan_generator: "weights_migan",
};

/** The licence where only the authors know it; see `onar/weights/choices.py`. */
const OF_AUTHORS = "of its authors";

/** Description of weights, with their licence. */
export function aboutWeights({ kind, licence }: WeightsChoice): string {
  const about = say(ABOUT[kind] ?? "weights_public");
  if (licence === null) return about;
  return `${about} ${licence === OF_AUTHORS ? say("weights_licence_of_authors") : say("weights_licence", { licence })}`;
}

/** Whether texture is copied over their fills where that is not asked for. */
export function copiesAlone({ kind }: WeightsChoice): boolean {
  return kind === "bundled" || kind === "trained";
}
