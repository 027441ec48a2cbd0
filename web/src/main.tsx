import { render } from "preact";
import { App } from "./app";
import { createEngine } from "./engine/create";
import { loadSite } from "./site";
import { say } from "./texts/texts";
import "./page.css";

const root = document.getElementById("onar") as HTMLElement;
loadSite().then(
  (site) => render(<App site={site} engine={createEngine(site)} />, root),
  (error: Error) => {
    root.textContent = say("page_not_loaded", { reason: error.message });
  },
);
