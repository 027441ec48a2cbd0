/** The page's configuration, `onar.json`: served by `onar serve`, written by `onar export --format web`. */

/** Weights to choose from. */
export interface WeightsChoice {
  /** The name for the engine. */
  name: string;
  /** Whether these are the default. */
  default: boolean;
  /** Kind: "bundled", "pyramid", "trained", "public", or the kind of a network of another program. */
  kind: string;
  /** As their authors name it; null for weights that a user trained. */
  licence: string | null;
}

/** How a network of another program takes photos and returns fills; see `PublicNetwork` in Python. */
export interface PublicNetwork {
  /** Names and channels: of photo and mask, or of both in one. */
  inputs: { name: string; channels: number }[];
  /** Values of black and white in the photo. */
  photo: [number, number];
  /** Values of hole and known in the mask. */
  mask: [number, number];
  /** Values of black and white in the output. */
  output: [number, number];
  /** Of inputs and output. */
  type: "float" | "uint8";
  /** The mask is before the photo in one input. */
  mask_first: boolean;
  /** Colours of the photo inside a hole are mixed into the edge of the fill: those of the pyramid fill. */
  mixes: boolean;
  /** Height and width that it takes alone; null for any. */
  size: [number, number] | null;
  /** Sides of others are padded to multiples of it. */
  step: number;
  /** Maximum side of a photo; null for no limit. */
  max_side: number | null;
}

/** Something that can be found in photos. */
export interface FindChoice {
  /** The name for the engine. */
  name: string;
  /** The extra that the server lacks for it, such as "text"; null where it can be found. */
  missing: string | null;
}

interface Common {
  /** Version of Onar. */
  version: string;
  /** Example photos, relative to the page. */
  examples: string[];
  weights: WeightsChoice[];
  /** Whether texture can be copied. */
  copies: boolean;
  /** Kinds of damage and text that can be found; empty for none. */
  finds: FindChoice[];
}

/** Served by `onar serve`: photos are filled by its HTTP API. */
export interface ServerSite extends Common {
  engine: "server";
  /** Extensions of readable files, with their dots. */
  readable: string[];
  max_body_megabytes: number;
  max_megapixels: number;
}

/** A folder on a static host: photos are filled in the browser, and nothing is sent. */
export interface BrowserSite extends Common {
  engine: "browser";
  /** Further files: content-addressed names, relative to the page. */
  files: Record<string, { name: string; bytes: number }>;
  /** The generator, an ONNX file compressed by gzip; of `files`. */
  model: string;
  /** The blend of copied texture, likewise; null when there is none. */
  blend: string | null;
  /** Side in pixels of the crops that the generator was trained on. */
  training_size: number;
  /** The generator pads sides to multiples of it. */
  step: number;
  /** How the generator is used, if another program wrote it. */
  network: PublicNetwork | null;
  /** The network that finds damage; null where nothing is found. */
  finder: DamageFinder | null;
}

/** A network that finds damage. */
export interface DamageFinder {
  /** An ONNX file compressed by gzip; of `files`. */
  model: string;
  /** Thresholds of its probabilities, by names of `finds`. */
  thresholds: Record<string, number>;
}

export type Site = ServerSite | BrowserSite;

/** Element of a folder's page that holds the configuration, so that both have one version. */
const INSIDE = "onar-site";

export async function loadSite(): Promise<Site> {
  const inside = document.getElementById(INSIDE);
  if (inside !== null) return JSON.parse(inside.textContent ?? "");
  const answer = await fetch("onar.json");
  if (!answer.ok) throw new Error(`onar.json: ${answer.status}`);
  return answer.json();
}
