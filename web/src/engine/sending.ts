/** Uploads with progress, which `fetch` does not report. */

import type { OnProgress } from "./engine";

/**
 * Send a form with a photo.
 *
 * @param onProgress - called with the share that was sent, and then with the server's work
 * @throws TypeError when the server does not answer, as `fetch` does
 */
export function send(address: string, form: FormData, signal: AbortSignal, onProgress: OnProgress): Promise<Response> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.responseType = "blob";
    request.upload.onprogress = ({ loaded, total }) => onProgress({ doing: "sending", share: loaded / total });
    request.upload.onload = () => onProgress({ doing: "working", share: null });
    request.onload = () => resolve(answerOf(request));
    request.onerror = () => reject(new TypeError("no answer"));
    request.onabort = () => reject(signal.reason);
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.open("POST", address);
    request.send(form);
  });
}

function answerOf(request: XMLHttpRequest): Response {
  const lines = request.getAllResponseHeaders().trim().split("\r\n");
  const headers = lines.map((line): [string, string] => [
    line.slice(0, line.indexOf(":")),
    line.slice(line.indexOf(":") + 1).trim(),
  ]);
  return new Response(request.response, { status: request.status, headers });
}
