import type { JSX } from "preact";
import type { Site } from "../site";

export function WatchView(_: { site: Site }): JSX.Element {
  return <main />;
}
