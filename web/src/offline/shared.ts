/** Photos that other apps share with the installed page: the service worker keeps one until the page takes it. */

/** Address that photos are sent to, of `share_target` in the manifest; see `export/web.py`. */
export const SHARE = "share";
/** Query of the page that is then opened. */
const SHARED = "?shared";
const NAME = "Onar-Name";

/** Keep the photo of a form, and open the page; the answer of the service worker. */
export async function keepShared(request: Request, scope: string): Promise<Response> {
  const file = (await request.formData()).get("photo");
  if (file instanceof File) {
    const headers = { "Content-Type": file.type, [NAME]: encodeURIComponent(file.name) };
    await (await caches.open(cacheOf(scope))).put(new URL(SHARE, scope), new Response(file, { headers }));
  }
  return Response.redirect(new URL(SHARED, scope), 303);
}

/** The photo that the page was opened with, once; null when there is none. */
export async function takeShared(): Promise<File | null> {
  const scope = new URL("./", location.href).href;
  if (location.search !== SHARED) return null;
  history.replaceState(null, "", scope); // a reload does not open it again
  const cache = await caches.open(cacheOf(scope));
  const kept = await cache.match(new URL(SHARE, scope));
  await caches.delete(cacheOf(scope));
  if (kept === undefined) return null;
  const name = decodeURIComponent(kept.headers.get(NAME) ?? "");
  return new File([await kept.blob()], name, { type: kept.headers.get("Content-Type") ?? "" });
}

function cacheOf(scope: string): string {
  return `onar shared ${scope}`;
}
