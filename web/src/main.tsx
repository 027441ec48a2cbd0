import { render } from "preact";
import { App } from "./app";
import { loadSite } from "./site";
import "./page.css";

const root = document.getElementById("onar") as HTMLElement;
loadSite().then(
  (site) => render(<App site={site} />, root),
  (error: Error) => {
    root.textContent = error.message;
  },
);
