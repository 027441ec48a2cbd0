/** The example photos. */

import { say } from "../texts/texts";
import { openFiles } from "./album";
import { nameOf } from "./opening";
import { complain, type State } from "./state";

/** Open an example photo. */
export async function openExample(state: State, address: string): Promise<void> {
  const name = nameOf(address);
  state.example.value?.abort();
  const loading = new AbortController();
  state.example.value = loading;
  try {
    const response = await fetch(address, { signal: loading.signal });
    if (!response.ok) throw new Error(String(response.status));
    const content = await response.blob();
    if (loading.signal.aborted) return;
    await openFiles(state, [new File([content], name, { type: content.type || "image/jpeg" })]);
  } catch {
    if (!loading.signal.aborted) complain(state, () => say("complete_example_failed", { name }));
  }
}
