/**
 * Files of the folder whose names change with their content: loaded once, by the page's worker or by the service worker.
 *
 * Whoever needs one first loads it and puts it into a cache; the other waits for that, and hears how far it is. Where
 * there is no such cache, as without HTTPS, the browser's own one has to do.
 */

/** A cache of all versions, because a file of one name is the same in each. */
export const FILES = "onar files";
const CHANNEL = "onar loading";

/** Told how many bytes of a file are there. */
export type OnBytes = (address: string, received: number) => void;

/**
 * The bytes of a file, as the host sends them.
 *
 * @throws NotThereError when the host has no such file, or does not answer
 */
export async function load(address: URL, onBytes: OnBytes = () => {}): Promise<Uint8Array<ArrayBuffer>> {
  const cache = await openCache();
  if (cache === null) return receive(address, onBytes);
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = ({ data: [of, received] }: MessageEvent<[string, number]>) => {
    if (of === address.href) onBytes(of, received);
  };
  try {
    return await navigator.locks.request(`${CHANNEL} ${address.href}`, async () => {
      const found = await cache.match(address);
      if (found) return new Uint8Array(await found.arrayBuffer());
      const bytes = await receive(address, (of, received) => {
        channel.postMessage([of, received]);
        onBytes(of, received);
      });
      await cache.put(address, new Response(bytes)).catch(() => {}); // no room: it is loaded again the next time
      return bytes;
    });
  } finally {
    channel.close();
  }
}

/** A file that the host does not have, or no longer. */
export class NotThereError extends Error {}

async function openCache(): Promise<Cache | null> {
  if (!("caches" in self && "locks" in navigator)) return null;
  return caches.open(FILES).catch(() => null); // browsers may forbid it
}

async function receive(address: URL, onBytes: OnBytes): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await fetch(address).catch((cause: Error) => {
    throw new NotThereError(address.href, { cause });
  });
  if (!answer.ok || answer.body === null) throw new NotThereError(`${address.href}: ${answer.status}`);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let received = 0;
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    received += value.length;
    onBytes(address.href, received);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
