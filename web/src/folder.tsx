/** The page of a folder by `onar export --format web`: the browser is the engine, and there are no trainings. */

import { App } from "./app";
import { BrowserEngine } from "./engine/browser/engine";
import { takeShared } from "./offline/shared";
import type { BrowserSite } from "./site";
import { start } from "./start";

start((site) => <App site={site} engine={new BrowserEngine(site as BrowserSite)} others={{}} shared={takeShared()} />);
