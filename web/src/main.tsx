/** The page of `onar serve`. */

import { App } from "./app";
import { ServerEngine } from "./engine/server";
import type { ServerSite } from "./site";
import { start } from "./start";
import { MasksView } from "./views/masks";
import { WatchView } from "./views/watch";

const others = { watch: WatchView, masks: MasksView };
start((site) => <App site={site} engine={new ServerEngine(site as ServerSite)} others={others} />);
