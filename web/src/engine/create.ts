import type { Site } from "../site";
import { BrowserEngine } from "./browser/engine";
import type { Engine } from "./engine";
import { ServerEngine } from "./server";

/** What fills photos here: where the page came from says it. */
export function createEngine(site: Site): Engine {
  return site.engine === "server" ? new ServerEngine(site) : new BrowserEngine(site);
}
