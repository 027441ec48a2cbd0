/** What the page is served with: `onar.json`, which `onar serve` answers and `onar export --format web` writes. */

/** Weights to choose from. */
export interface WeightsChoice {
  /** What the engine is told. */
  name: string;
  /** Whether these are the ones that are used when nobody chooses. */
  default: boolean;
}

interface Common {
  /** Of Onar. */
  version: string;
  /** Files of photos to try, relative to the page. */
  examples: string[];
  weights: WeightsChoice[];
  /** Whether holes can be given texture that is copied from the photo. */
  copies: boolean;
}

/** Served by `onar serve`: photos are filled by its HTTP API. */
export interface ServerSite extends Common {
  engine: "server";
  /** Endings of files that can be read, with their dots. */
  readable: string[];
  max_body_megabytes: number;
  max_megapixels: number;
}

/** A folder on a static host: photos are filled in the browser, and nothing is sent. */
export interface BrowserSite extends Common {
  engine: "browser";
  /** What is loaded besides the page itself: the names that change with the content, relative to the page. */
  files: Record<string, { name: string; bytes: number }>;
  /** The generator, an ONNX file compressed by gzip; of `files`. */
  model: string;
  /** What blends copied texture in, likewise; null when there is none. */
  blend: string | null;
  /** Side in pixels of the crops that the generator was trained on. */
  training_size: number;
  /** Sides of what the generator gets are padded inside to multiples of it. */
  step: number;
}

export type Site = ServerSite | BrowserSite;

/** Where a folder's page has it inside, so that both are of one version. */
const INSIDE = "onar-site";

export async function loadSite(): Promise<Site> {
  const inside = document.getElementById(INSIDE);
  if (inside !== null) return JSON.parse(inside.textContent ?? "");
  const answer = await fetch("onar.json");
  if (!answer.ok) throw new Error(`onar.json: ${answer.status}`);
  return answer.json();
}
