import { Camera, FolderOpen } from "lucide";
import type { JSX } from "preact";
import { Mark } from "../../components/mark";
import { say } from "../../texts/texts";
import { openFiles } from "../album";
import { openExample } from "../examples";
import { nameOf } from "../opening";
import type { State } from "../state";
import { FileButton } from "./file_button";
import { FolderButton } from "./folder_button";
import { KeepSwitch, Offers } from "./kept";

/** File types for the file dialog. */
export function readable({ site }: State): string {
  return site.engine === "server" ? ["image/*", ...site.readable].join(",") : "image/*";
}

/** The page before a photo is opened. */
export function Empty({ state }: { state: State }): JSX.Element {
  const { site } = state;
  return (
    <div class="empty">
      <Mark size={56} />
      <h2>{say("complete_headline")}</h2>
      <p>{say("complete_intro")}</p>
      <div class="empty-buttons">
        <FileButton
          class="button primary"
          icon={FolderOpen}
          name={say("complete_open")}
          accept={readable(state)}
          multiple
          onFiles={(files) => openFiles(state, files)}
        />
        <FolderButton state={state} class="button" />
        <FileButton
          class="button camera"
          icon={Camera}
          name={say("complete_camera")}
          accept="image/*"
          camera
          onFiles={(files) => openFiles(state, files)}
        />
      </div>
      <p class="quiet">
        {say("complete_drop")} {say(`complete_private_${site.engine}`)}
      </p>
      <KeepSwitch />
      <Offers state={state} />
      {site.examples.length > 0 && (
        <section class="examples" aria-labelledby="examples">
          <h3 id="examples">{say("complete_examples")}</h3>
          <ul>
            {site.examples.map((address) => (
              <li key={address}>
                <button type="button" class="example" onClick={() => openExample(state, address)}>
                  <img src={address} alt={say("complete_example", { name: titleOf(address) })} loading="lazy" />
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}

/** A file's name as words. */
function titleOf(address: string): string {
  return nameOf(address)
    .replace(/\.[^.]+$/, "")
    .replaceAll("_", " ");
}
