/**
 * Content-addressed files of the folder: loaded once, by the page's worker or by the service worker.
 *
 * The first one loads a file into the cache; the other waits for it, and gets the progress. Without
 * a cache, as without HTTPS, the browser's own is used.
 */

/** One cache for all versions, because names identify contents. */
export const FILES = "onar files";
const CHANNEL = "onar loading";

/** Called with the number of loaded bytes. */
export type OnBytes = (address: string, received: number) => void;

/**
 * The content of a file, as sent by the host.
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
      await cache.put(address, new Response(bytes)).catch(() => {}); // quota exceeded: it is loaded again the next time
      return bytes;
    });
  } finally {
    channel.close();
  }
}

/** A file that the host does not have. */
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
