import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { gzipSync } from "fflate"; // the same bytes everywhere, unlike node's
import { defineConfig, type Plugin } from "vite";
import metadata from "./package.json" with { type: "json" };

/** Scripts beside the page: `--mode` names the one that is built. */
const SCRIPTS = {
  /** The engine that runs in the browser. */
  worker: { entry: "src/engine/browser/worker.ts", plugins: [onnxRuntime(), licences()] },
  /** What makes a folder on a static host work offline. */
  sw: { entry: "src/offline/sw.ts", plugins: [] },
};

/** ONNX Runtime without and with a GPU, compressed: hosts rarely do it, and it is most of what is loaded. */
function onnxRuntime(): Plugin {
  const files = {
    "ort.wasm.gz": "ort-wasm-simd-threaded.wasm",
    "ort-gpu.wasm.gz": "ort-wasm-simd-threaded.jspi.wasm",
  };
  return {
    name: "onnx-runtime",
    generateBundle() {
      const { resolve } = createRequire(import.meta.url);
      for (const [fileName, name] of Object.entries(files)) {
        const source = gzipSync(readFileSync(resolve(`onnxruntime-web/${name}`)), { level: 9, mtime: 0 });
        this.emitFile({ type: "asset", fileName, source });
      }
    },
  };
}

/** The terms of the packages that the page is made of; public/licences has those that bring no file. */
function licences(): Plugin {
  return {
    name: "licences",
    generateBundle() {
      for (const name of Object.keys(metadata.dependencies)) {
        const file = ["LICENSE", "LICENSE.txt"].map((last) => `node_modules/${name}/${last}`).find(existsSync);
        const fileName = `licences/${name.replace("@", "").replace("/", "-")}.txt`;
        if (file !== undefined) this.emitFile({ type: "asset", fileName, source: readFileSync(file) });
      }
    },
  };
}

export default defineConfig(({ mode }) => {
  const name = mode as keyof typeof SCRIPTS;
  const { entry, plugins } = SCRIPTS[name];
  return {
    publicDir: false,
    plugins,
    // ONNX Runtime without its code inside, which is loaded from the files above.
    resolve: { conditions: ["onnxruntime-web-use-extern-wasm"] },
    define: { "import.meta.url": "self.location.href" }, // it asks for its address, but needs none
    build: {
      outDir: "../src/onar/assets/page",
      emptyOutDir: false,
      target: "es2022",
      lib: { entry, formats: ["iife"], name, fileName: () => `${name}.js` },
    },
  };
});
