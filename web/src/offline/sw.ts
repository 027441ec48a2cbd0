/**
 * The service worker of a folder that `onar export --format web` wrote: after the first visit the page works offline.
 *
 * Whoever writes the folder puts ONAR_VERSION and ONAR_FILES in front. It also gives every file the headers by which
 * browsers let a page use threads, so that a host that cannot set them costs speed on the first visit only.
 */

/** A folder's files: those that every browser needs, and those that only a browser with a GPU does. */
declare const ONAR_FILES: { always: string[]; gpu: string[] };
/** Changes with any of the files. */
declare const ONAR_VERSION: string;

const worker = self as unknown as ServiceWorkerGlobalScope;
const PREFIX = `onar ${worker.registration.scope} `;
const NAME = PREFIX + ONAR_VERSION;
const ISOLATION = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

worker.addEventListener("install", (event) => event.waitUntil(keepAll().then(() => worker.skipWaiting())));
worker.addEventListener("activate", (event) => event.waitUntil(removeOld().then(() => worker.clients.claim())));
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method === "GET" && request.url.startsWith(worker.registration.scope)) {
    event.respondWith(answer(request));
  }
});

async function keepAll(): Promise<void> {
  const files = "gpu" in navigator ? [...ONAR_FILES.always, ...ONAR_FILES.gpu] : ONAR_FILES.always;
  const cache = await caches.open(NAME);
  await cache.addAll(files.map((file) => new Request(file, { cache: "no-cache" })));
}

async function removeOld(): Promise<void> {
  const names = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== NAME);
  await Promise.all(names.map((name) => caches.delete(name)));
}

async function answer(request: Request): Promise<Response> {
  const cache = await caches.open(NAME);
  const found = (await cache.match(request, { ignoreSearch: true })) ?? (await fetch(request));
  const headers = new Headers(found.headers);
  for (const [name, value] of Object.entries(ISOLATION)) headers.set(name, value);
  return new Response(found.body, { status: found.status, statusText: found.statusText, headers });
}
