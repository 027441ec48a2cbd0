import preact from "@preact/preset-vite";
import { defineConfig, type Plugin } from "vite";

/** The script of a folder: a classic one is run whatever content type a host gives it; a module is not. */
function plainScript(isModule: boolean): Plugin {
  const start = `<script ${isModule ? 'type="module"' : "defer"}`;
  return {
    name: "plain-script",
    transformIndexHtml: {
      order: "post",
      handler: (html) => html.replace(/<script type="module" crossorigin/g, start).replace(/ crossorigin/g, ""),
    },
  };
}

/** The page of a server, and with `--mode folder` that of a folder without one: its names then say so. */
export default defineConfig(({ mode }) => ({
  base: "./",
  publicDir: mode === "folder" ? false : "public",
  plugins: [preact(), plainScript(mode !== "folder")],
  build: {
    outDir: "../src/onar/assets/page",
    emptyOutDir: mode !== "folder",
    target: "es2022",
    cssTarget: ["chrome123", "firefox120", "safari17.5"], // the first that know light-dark()
    cssCodeSplit: false, // a file of its own: a policy that allows no inline styles lets it through
    modulePreload: false,
    rollupOptions: {
      input: mode === "folder" ? "folder.html" : "index.html",
      output: {
        format: mode === "folder" ? "iife" : "es",
        chunkFileNames: ({ name }) => `${name.split(".")[0].toLowerCase()}.js`, // uplot.js
        codeSplitting: mode !== "folder",
        entryFileNames: mode === "folder" ? "folder.js" : "page.js",
        assetFileNames: mode === "folder" ? "folder[extname]" : "page[extname]",
      },
    },
  },
  server: { proxy: { "^/(api|examples)/|^/onar.json": "http://127.0.0.1:7860" } },
}));
