import preact from "@preact/preset-vite";
import { defineConfig } from "vite";

/** The page with an engine of one colour, and the photos that Onar brings along. */
export default defineConfig({ plugins: [preact()], server: { fs: { allow: ["../"] } } });
