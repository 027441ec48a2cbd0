/** Files of the page's folder, independent of the host's content types. */

import { load } from "../../offline/kept";
import type { Place } from "./protocol";

/**
 * Load several files together, and decompress gzip that the host has not decompressed already.
 *
 * @param names - of `Place.files`
 * @param onLoaded - called with the bytes received so far, and those of all files
 */
export async function loadFiles<Name extends string>(
  place: Place,
  names: Name[],
  onLoaded: (received: number, total: number) => void,
): Promise<Record<Name, Uint8Array<ArrayBuffer>>> {
  const total = names.reduce((sum, name) => sum + place.files[name].bytes, 0);
  const received = new Map<string, number>();
  const onBytes = (address: string, count: number): void => {
    received.set(address, count);
    const sum = [...received.values()].reduce((one, other) => one + other, 0);
    onLoaded(Math.min(sum, total), total);
  };
  const loaded = names.map(async (name) => {
    const bytes = await load(new URL(place.files[name].name, place.base), onBytes);
    return [name, isGzip(bytes) ? await gunzip(bytes) : bytes];
  });
  return Object.fromEntries(await Promise.all(loaded));
}

function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

async function gunzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
