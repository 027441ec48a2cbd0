/** Pictures and masks as compressed blobs, in memory and in the browser's storage alike. */

const ENCODING = "gzip";

/** A picture as PNG: databases take no bitmaps. */
export async function pictureBlob(view: ImageBitmap): Promise<Blob> {
  const canvas = new OffscreenCanvas(view.width, view.height);
  canvas.getContext("2d")?.drawImage(view, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

export function maskBlob(mask: Uint8Array<ArrayBuffer>): Promise<Blob> {
  return through(new Blob([mask]), new CompressionStream(ENCODING));
}

/** The mask of a blob of `maskBlob`. */
export async function maskOf(content: Blob): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await (await through(content, new DecompressionStream(ENCODING))).arrayBuffer());
}

function through(content: Blob, stream: CompressionStream | DecompressionStream): Promise<Blob> {
  return new Response(content.stream().pipeThrough(stream)).blob();
}
