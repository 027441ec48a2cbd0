import { defineConfig } from "vite";

/** The engine that runs in the browser, as one script for a worker. */
export default defineConfig({
  build: {
    outDir: "../src/onar/assets/page",
    emptyOutDir: false,
    target: "es2022",
    lib: {
      entry: "src/engine/browser/worker.ts",
      formats: ["iife"],
      name: "onarWorker",
      fileName: () => "worker.js",
    },
  },
});
