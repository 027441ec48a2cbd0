/** A page, and an engine that never answers. */

import type { Engine } from "../../src/engine/engine";
import type { BrowserSite } from "../../src/site";

export const site: BrowserSite = {
  engine: "browser",
  version: "1",
  examples: [],
  weights: [{ name: "bundled", default: true, kind: "bundled", licence: "MIT" }],
  copies: true,
  finds: [
    { name: "scratches", missing: null },
    { name: "text", missing: "text" },
  ],
  files: {},
  model: "",
  blend: null,
  training_size: 64,
  step: 8,
  network: null,
  finder: null,
};
export const never = (): Promise<never> => new Promise(() => {});
export const engine: Engine = {
  open: never,
  glance: never,
  release: async () => {},
  part: never,
  fill: never,
  clone: never,
  find: never,
  save: never,
  outline: never,
  readMask: never,
  formats: [],
};
