/**
 * The service worker of a folder by `onar export --format web`: after the first visit the page works offline.
 *
 * The export prepends ONAR_VERSION and ONAR_FILES. Every file gets the headers of cross-origin
 * isolation, which threads need, so that hosts that cannot set them are slower on the first visit only.
 *
 * A page has one version, even if the folder changes while it is open: all files but the index have names
 * that change with their content, and those of an earlier version are kept while any page is open.
 */

import { mayUseGpu } from "./gpu";
import { FILES, load } from "./kept";
import { keepShared, SHARE } from "./shared";

/** A folder's files. */
declare const ONAR_FILES: {
  /** Files with fixed names. */
  page: string[];
  /** Files whose names change with their content. */
  always: string[];
  /** ONNX Runtime for CPUs and for GPUs, likewise: a browser needs one of them. */
  processor: string;
  gpu: string;
};
/** A digest of all files. */
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
  if (request.method === "POST" && request.url === new URL(SHARE, scope).href) {
    event.respondWith(keepShared(request, scope));
    return;
  }
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
