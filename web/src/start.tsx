import { type JSX, render } from "preact";
import { loadSite, type Site } from "./site";
import { say } from "./texts/texts";
import "./page.css";

/**
 * Start the page.
 *
 * @param appOf - renders the page for a configuration
 */
export function start(appOf: (site: Site) => JSX.Element): void {
  const root = document.getElementById("onar") as HTMLElement;
  loadSite().then(
    (site) => render(appOf(site), root),
    (error: Error) => {
      console.error("Onar:", error);
      root.textContent = say("page_not_loaded");
    },
  );
}
