/** The page's configuration, `onar.json`: served by `onar serve`, written by `onar export --format web`. */

/** Weights to choose from. */
export interface WeightsChoice {
  /** The name for the engine. */
  name: string;
  /** Whether these are the default. */
  default: boolean;
}

interface Common {
  /** Version of Onar. */
  version: string;
  /** Example photos, relative to the page. */
  examples: string[];
  weights: WeightsChoice[];
  /** Whether texture can be copied. */
  copies: boolean;
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
