/**
 * The page with the engine of one colour: `npx vite --config tests/fake/vite.config.ts`,
 * then /tests/fake/index.html, or with `?engine=browser` as a folder on a static host.
 */

import { render } from "preact";
import { App } from "../../src/app";
import type { BrowserSite, ServerSite, Site } from "../../src/site";
import { FlatEngine } from "./flat_engine";
import "../../src/page.css";

const photos = import.meta.glob<string>("../../../src/onar/assets/photos/*.jpg", {
  eager: true,
  import: "default",
  query: "?url",
});

const common = {
  version: "0",
  examples: Object.values(photos),
  weights: [
    { name: "bundled", default: true },
    { name: "pyramid", default: false },
  ],
  copies: true,
};

const server: ServerSite = {
  ...common,
  engine: "server",
  readable: [".jpg", ".png", ".tif"],
  max_body_megabytes: 100,
  max_megapixels: 100,
  trainings: true,
};
const browser: BrowserSite = {
  ...common,
  engine: "browser",
  copies: false,
  model: "",
  blend: null,
  training_size: 256,
  step: 32,
};
const wanted = new URLSearchParams(location.search).get("engine");
const site: Site = wanted === "browser" ? browser : server;
const engine = new FlatEngine();
Object.assign(window, { engine });
render(<App site={site} engine={engine} />, document.getElementById("onar") as HTMLElement);
