/** The page of a folder that `onar export --format web` wrote: the browser does the work, and there is no server to watch. */

import { App } from "./app";
import { BrowserEngine } from "./engine/browser/engine";
import type { BrowserSite } from "./site";
import { start } from "./start";

start((site) => <App site={site} engine={new BrowserEngine(site as BrowserSite)} others={{}} />);
