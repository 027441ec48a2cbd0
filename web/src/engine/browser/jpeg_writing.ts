/** Writing the coefficients of a JPEG file in one sequential scan, with the best Huffman codes (ITU-T T.81). */

import { joined } from "./bytes";
import { segment } from "./jpeg";
import type { Component, Jpeg } from "./jpeg_coefficients";

const [BASELINE, EXTENDED, HUFFMAN, TABLES, SCAN, END] = [0xc0, 0xc1, 0xc4, 0xdb, 0xda, 0xd9];
const MAX_LENGTH = 16;

/** A symbol and the bits after it. */
type Emit = (symbol: number, bits: number, count: number, isMean: boolean, table: number) => void;

/** A file of header segments, which are whole, and the coefficients. */
export function writeJpeg(jpeg: Jpeg, header: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const counts = Array.from({ length: 4 }, () => new Float64Array(257));
  eachSymbol(jpeg, (symbol, _bits, _count, isMean, table) => {
    counts[2 * table + (isMean ? 0 : 1)][symbol]++;
  });
  const used = jpeg.components.length > 1 ? 4 : 2;
  const codes = counts.slice(0, used).map(bestCode);
  const isLong = jpeg.tableSegments.some((one) => one.length > 0 && one[0] >> 4 === 1);
  const writer = new BitWriter();
  eachSymbol(jpeg, (symbol, bits, count, isMean, table) => {
    const { codes: words, lengths } = codes[2 * table + (isMean ? 0 : 1)];
    writer.put(words[symbol], lengths[symbol]);
    writer.put(bits, count);
  });
  return joined([
    Uint8Array.from([0xff, 0xd8]),
    ...header,
    ...jpeg.tableSegments.map((content) => segment(TABLES, content)),
    segment(isLong ? EXTENDED : BASELINE, jpeg.frame),
    ...codes.map(({ counted, symbols }, n) =>
      segment(HUFFMAN, Uint8Array.from([((n & 1) << 4) | (n >> 1), ...counted, ...symbols])),
    ),
    segment(SCAN, scanHeader(jpeg.components)),
    writer.end(),
    Uint8Array.from([0xff, END]),
  ]);
}

function scanHeader(components: Component[]): Uint8Array {
  const parts = components.flatMap(({ id }, n) => [id, n === 0 ? 0 : 0x11]);
  return Uint8Array.from([components.length, ...parts, 0, 63, 0]);
}

/** Visit the symbols of the scan in their order. */
function eachSymbol(jpeg: Jpeg, emit: Emit): void {
  const [only] = jpeg.components;
  const before = jpeg.components.map(() => 0);
  const block = (component: Component, number: number, at: number): void => {
    const mean = component.coefficients[at];
    emitBlock(component.coefficients, at, mean - before[number], number === 0 ? 0 : 1, emit);
    before[number] = mean;
  };
  if (jpeg.components.length === 1) {
    for (let row = 0; row < only.down; row++) {
      for (let column = 0; column < only.across; column++) block(only, 0, 64 * (row * only.stride + column));
    }
    return;
  }
  for (let row = 0; row < jpeg.unitsDown; row++) {
    for (let column = 0; column < jpeg.unitsAcross; column++) {
      for (const [number, component] of jpeg.components.entries()) {
        const { wide, tall, stride } = component;
        for (let y = row * tall; y < (row + 1) * tall; y++) {
          for (let x = column * wide; x < (column + 1) * wide; x++) block(component, number, 64 * (y * stride + x));
        }
      }
    }
  }
}

function emitBlock(coefficients: Int16Array, at: number, difference: number, table: number, emit: Emit): void {
  const size = sizeOf(difference);
  emit(size, bitsOf(difference, size), size, true, table);
  let zeros = 0;
  for (let k = 1; k < 64; k++) {
    const value = coefficients[at + k];
    if (value === 0) {
      zeros++;
      continue;
    }
    for (; zeros > 15; zeros -= 16) emit(0xf0, 0, 0, false, table);
    const own = sizeOf(value);
    emit((zeros << 4) | own, bitsOf(value, own), own, false, table);
    zeros = 0;
  }
  if (zeros > 0) emit(0, 0, 0, false, table);
}

function sizeOf(value: number): number {
  return 32 - Math.clz32(Math.abs(value));
}

function bitsOf(value: number, size: number): number {
  return value >= 0 ? value : value + (1 << size) - 1;
}

interface Code {
  /** Number of codes of each length from 1 to 16. */
  counted: Uint8Array;
  /** In the order of their codes. */
  symbols: number[];
  codes: Uint16Array;
  lengths: Uint8Array;
}

/** The best code of at most 16 bits, none of which is all ones (annex K.2). */
function bestCode(counts: Float64Array): Code {
  const lengths = lengthsOf(counts);
  const counted = shortened(lengths);
  const order = Array.from({ length: 256 }, (_, symbol) => symbol)
    .filter((symbol) => lengths[symbol] > 0)
    .sort((one, other) => lengths[one] - lengths[other] || one - other);
  const code: Code = { counted, symbols: order, codes: new Uint16Array(256), lengths: new Uint8Array(256) };
  for (let length = 1, next = 0, at = 0; length <= MAX_LENGTH; length++, next <<= 1) {
    for (let n = 0; n < counted[length - 1]; n++, at++, next++) {
      code.codes[order[at]] = next;
      code.lengths[order[at]] = length;
    }
  }
  return code;
}

/** Lengths of Huffman's codes of any length; the last symbol stands for the code that is all ones. */
function lengthsOf(counts: Float64Array): Uint8Array {
  const weights = counts.slice();
  weights[256] = 1;
  const lengths = new Uint8Array(257);
  const next = new Int16Array(257).fill(-1);
  for (;;) {
    const [least, second] = twoLeast(weights);
    if (second < 0) return lengths;
    weights[least] += weights[second];
    weights[second] = 0;
    let last = least;
    for (lengths[last]++; next[last] >= 0; lengths[last]++) last = next[last];
    next[last] = second;
    for (last = second, lengths[last]++; next[last] >= 0; lengths[last]++) last = next[last];
  }
}

/** The numbers of the two least weights above 0, of equal ones the last; -1 without a second. */
function twoLeast(weights: Float64Array): [number, number] {
  let [least, second] = [-1, -1];
  for (let n = 0; n < weights.length; n++) {
    if (weights[n] === 0) continue;
    if (least < 0 || weights[n] <= weights[least]) [least, second] = [n, least];
    else if (second < 0 || weights[n] <= weights[second]) second = n;
  }
  return [least, second];
}

/** How many codes have which length, of at most 16, without the one that is all ones. */
function shortened(lengths: Uint8Array): Uint8Array {
  const counted = new Array<number>(258).fill(0);
  for (const length of lengths) if (length > 0) counted[length]++;
  for (let length = counted.length - 1; length > MAX_LENGTH; length--) {
    while (counted[length] > 0) {
      let shorter = length - 2;
      while (counted[shorter] === 0) shorter--;
      counted[length] -= 2;
      counted[length - 1]++;
      counted[shorter + 1] += 2;
      counted[shorter]--;
    }
  }
  let longest = MAX_LENGTH;
  while (longest > 0 && counted[longest] === 0) longest--;
  counted[longest]--;
  return Uint8Array.from(counted.slice(1, MAX_LENGTH + 1));
}

class BitWriter {
  private bytes = new Uint8Array(1 << 20);
  private length = 0;
  private buffer = 0;
  private count = 0;

  put(bits: number, count: number): void {
    this.buffer = (this.buffer << count) | bits;
    this.count += count;
    while (this.count >= 8) {
      this.count -= 8;
      this.byte((this.buffer >> this.count) & 255);
      this.buffer &= (1 << this.count) - 1;
    }
  }

  private byte(byte: number): void {
    if (this.length + 2 > this.bytes.length) {
      const more = new Uint8Array(2 * this.bytes.length);
      more.set(this.bytes);
      this.bytes = more;
    }
    this.bytes[this.length++] = byte;
    if (byte === 0xff) this.bytes[this.length++] = 0;
  }

  /** All bytes, filled up with ones. */
  end(): Uint8Array {
    if (this.count > 0) this.put((1 << (8 - this.count)) - 1, 8 - this.count);
    return this.bytes.subarray(0, this.length);
  }
}
