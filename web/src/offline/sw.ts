/**
 * The service worker of a folder that `onar export --format web` wrote: after the first visit the page works offline.
 *
 * Whoever writes the folder puts ONAR_VERSION and ONAR_FILES in front. It also gives every file the headers by which
 * browsers let a page use threads, so that a host that cannot set them costs speed on the first visit only.
 *
 * A page is of one version, whatever becomes of the folder while it is open: its index names all other files by names
 * that change with their content, and those of an earlier version are kept for as long as any page is open.
 */

import { mayUseGpu } from "./gpu";
import { FILES, load } from "./kept";

/** A folder's files. */
declare const ONAR_FILES: {
  /** Those that keep their names. */
  page: string[];
  /** Those whose names change with their content. */
  always: string[];
  /** ONNX Runtime for processors and for GPUs, likewise: a browser needs one of them. */
  processor: string;
  gpu: string;
};
/** Changes with any of the files. */
declare const ONAR_VERSION: string;

const worker = self as unknown as ServiceWorkerGlobalScope;
const { scope } = worker.registration;
const PREFIX = `onar ${scope} `;
const NAME = PREFIX + ONAR_VERSION;
const ISOLATION = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

worker.addEventListener("install", (event) => event.waitUntil(keepAll().then(() => worker.skipWaiting())));
worker.addEventListener("activate", (event) => event.waitUntil(removeOld().then(() => worker.clients.claim())));
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(scope)) return;
  event.respondWith(answer(request));
  if (request.mode === "navigate") event.waitUntil(removeUnused());
});

async function keepAll(): Promise<void> {
  const cache = await caches.open(NAME);
  await cache.addAll(ONAR_FILES.page.map((file) => new Request(file, { cache: "no-cache" })));
  const runtime = (await mayUseGpu()) ? ONAR_FILES.gpu : ONAR_FILES.processor;
  for (const file of [...ONAR_FILES.always, runtime]) await load(new URL(file, scope));
}

async function removeOld(): Promise<void> {
  const names = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== NAME);
  await Promise.all(names.map((name) => caches.delete(name)));
  await removeUnused();
}

/** Remove files of earlier versions, unless a page that may need them is open. */
async function removeUnused(): Promise<void> {
  const open = await worker.clients.matchAll({ includeUncontrolled: true });
  if (open.length > 0) return;
  const { always, gpu, processor } = ONAR_FILES;
  const used = new Set([...always, gpu, processor].map((file) => new URL(file, scope).href));
  const cache = await caches.open(FILES);
  const unused = (await cache.keys()).filter(({ url }) => url.startsWith(scope) && !used.has(url));
  await Promise.all(unused.map((request) => cache.delete(request)));
}

async function answer(request: Request): Promise<Response> {
  const found = (await kept(NAME, request)) ?? (await kept(FILES, request)) ?? (await fetch(request));
  const headers = new Headers(found.headers);
  for (const [name, value] of Object.entries(ISOLATION)) headers.set(name, value);
  return new Response(found.body, { status: found.status, statusText: found.statusText, headers });
}

async function kept(cache: string, request: Request): Promise<Response | undefined> {
  return (await caches.open(cache)).match(request, { ignoreSearch: true });
}
