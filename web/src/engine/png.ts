/** A PNG encoder that streams rows: for any size, without the size limits of canvases. */

/** Values per pixel, each of 8 bits: grey, RGB, or RGB with opacity. */
export type Channels = 1 | 3 | 4;

const COLOUR_TYPES: Record<Channels, number> = { 1: 0, 3: 2, 4: 6 };
/** Bytes that are filtered at once. */
const BAND_BYTES = 1_000_000;
const NO_FILTER = 0;
const PAETH = 4;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});

/**
 * Write a picture.
 *
 * @param rows - returns `count` rows from `top` on, without gaps
 */
export async function encodePng(
  { width, height }: { width: number; height: number },
  channels: Channels,
  rows: (top: number, count: number) => Uint8Array | Uint8ClampedArray,
): Promise<Blob> {
  const stride = width * channels;
  const most = Math.max(1, Math.floor(BAND_BYTES / stride));
  let above: Uint8Array | Uint8ClampedArray = new Uint8Array(stride);
  let top = 0;
  const bands = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const count = Math.min(most, height - top);
      const band = rows(top, count);
      controller.enqueue(channels === 1 ? unfiltered(band, stride) : filtered(band, above, stride, channels));
      above = band.slice(-stride);
      top += count;
      if (top >= height) controller.close();
    },
  });
  const content = bands.pipeThrough(new CompressionStream("deflate"));
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8);
  header.setUint8(9, COLOUR_TYPES[channels]);
  const parts = [
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    ...chunk("IHDR", new Uint8Array(header.buffer)),
    ...chunk("IDAT", new Uint8Array(await new Response(content).arrayBuffer())),
    ...chunk("IEND", new Uint8Array()),
  ];
  return new Blob(parts, { type: "image/png" });
}

/** Masks have long runs, which filters would break up. */
function unfiltered(band: ArrayLike<number>, stride: number): Uint8Array<ArrayBuffer> {
  const count = band.length / stride;
  const out = new Uint8Array(count * (stride + 1));
  for (let row = 0; row < count; row++) {
    out[row * (stride + 1)] = NO_FILTER;
    out.set((band as Uint8Array).subarray(row * stride, (row + 1) * stride), row * (stride + 1) + 1);
  }
  return out;
}

/** The Paeth filter. */
function filtered(
  band: Uint8Array | Uint8ClampedArray,
  above: Uint8Array | Uint8ClampedArray,
  stride: number,
  channels: number,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array((band.length / stride) * (stride + 1));
  let before = above;
  for (let from = 0, to = 0; from < band.length; from += stride) {
    const row = band.subarray(from, from + stride);
    out[to++] = PAETH;
    for (let at = 0; at < stride; at++) {
      const left = at < channels ? 0 : row[at - channels];
      const corner = at < channels ? 0 : before[at - channels];
      const up = before[at];
      const toLeft = Math.abs(up - corner);
      const toUp = Math.abs(left - corner);
      const toCorner = Math.abs(left + up - 2 * corner);
      const expected = toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner;
      out[to++] = row[at] - expected;
    }
    before = row;
  }
  return out;
}

function chunk(name: string, content: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
  const head = new Uint8Array(8);
  const numbers = new DataView(head.buffer);
  numbers.setUint32(0, content.length);
  for (let at = 0; at < 4; at++) head[4 + at] = name.charCodeAt(at);
  const tail = new Uint8Array(4);
  new DataView(tail.buffer).setUint32(0, ~crcOf(content, crcOf(head.subarray(4), ~0)));
  return [head, content, tail];
}

function crcOf(bytes: Uint8Array, crc: number): number {
  let value = crc;
  for (let at = 0; at < bytes.length; at++) value = CRC_TABLE[(value ^ bytes[at]) & 0xff] ^ (value >>> 8);
  return value;
}
