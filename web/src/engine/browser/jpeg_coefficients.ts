/** The quantised coefficients of a JPEG file, sequential or progressive, by Huffman codes (ITU-T T.81). */

import { startsWith, viewOf } from "./bytes";

const [START_OF_SCAN, TABLES, HUFFMAN, RESTARTS, END, ADOBE] = [0xda, 0xdb, 0xc4, 0xdd, 0xd9, 0xee];
const PROGRESSIVE = 0xc2;
const FRAMES = [0xc0, 0xc1, PROGRESSIVE];
/** Other frames: lossless, hierarchical and arithmetic ones. */
const isOtherFrame = (marker: number): boolean => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8].includes(marker);

export interface Component {
  id: number;
  /** Blocks per minimum coded unit. */
  wide: number;
  tall: number;
  /** Number of its quantisation table. */
  table: number;
  /** Blocks that hold pixels. */
  across: number;
  down: number;
  /** Blocks in a row with those that fill up the coded units. */
  stride: number;
  /** 64 per block, in zigzag order. */
  coefficients: Int16Array;
}

export interface Jpeg {
  width: number;
  height: number;
  /** Coded units in a row and in a column. */
  unitsAcross: number;
  unitsDown: number;
  components: Component[];
  /** Quantisation tables in zigzag order, and their segments as they are in the file. */
  tables: Map<number, Uint16Array>;
  tableSegments: Uint8Array[];
  /** Content of the frame header. */
  frame: Uint8Array;
  /** The colour transform of an Adobe segment; null without one. */
  transform: number | null;
}

/** A kind of JPEG that is not read here, or a damaged file. */
export class JpegError extends Error {}

/** Read all coefficients; raises `JpegError`, or `RangeError` where a file ends early. */
export function readJpeg(file: Uint8Array): Jpeg {
  const reader = new JpegReader(file);
  return reader.read();
}

class JpegReader {
  private readonly view: DataView;
  private readonly tables = new Map<number, Uint16Array>();
  private readonly tableSegments: Uint8Array[] = [];
  private readonly codes = new Map<number, HuffmanCode>();
  private readonly scanned = new Set<number>();
  private jpeg: Jpeg | null = null;
  private isProgressive = false;
  private interval = 0;
  private transform: number | null = null;

  constructor(private readonly file: Uint8Array) {
    this.view = viewOf(file);
  }

  read(): Jpeg {
    let isWhole = false;
    for (let at = 2; at + 2 <= this.file.length; ) {
      if (this.file[at] !== 0xff) throw new JpegError("no marker");
      const marker = this.file[at + 1];
      if (marker === 0xff) {
        at++;
        continue;
      }
      if (marker === END) {
        isWhole = true;
        break;
      }
      const end = at + 2 + this.view.getUint16(at + 2);
      at = this.readSegment(marker, at + 4, end) ?? end;
    }
    if (this.jpeg === null || !isWhole) throw new JpegError("no frame, or no end");
    if (this.jpeg.components.some(({ id }) => !this.scanned.has(id))) throw new JpegError("a component is missing");
    return { ...this.jpeg, transform: this.transform };
  }

  /** @returns the end of what was read, where it is not the segment's own */
  private readSegment(marker: number, start: number, end: number): number | null {
    const content = this.file.subarray(start, end);
    if (marker === START_OF_SCAN) return this.readScan(content, end);
    if (marker === TABLES) this.readTables(content);
    else if (marker === HUFFMAN) this.readCodes(content);
    else if (marker === RESTARTS) this.interval = viewOf(content).getUint16(0);
    else if (marker === ADOBE && startsWith(content, "Adobe")) this.transform = content[11];
    else if (FRAMES.includes(marker)) this.readFrame(marker, content);
    else if (isOtherFrame(marker)) throw new JpegError("another kind of frame");
    return null;
  }

  private readTables(content: Uint8Array): void {
    if (this.jpeg !== null) throw new JpegError("tables that change");
    this.tableSegments.push(content);
    for (let at = 0; at < content.length; ) {
      const isLong = content[at] >> 4 === 1;
      const table = new Uint16Array(64);
      const view = viewOf(content.subarray(at + 1));
      for (let k = 0; k < 64; k++) table[k] = isLong ? view.getUint16(2 * k) : view.getUint8(k);
      this.tables.set(content[at] & 15, table);
      at += isLong ? 129 : 65;
    }
  }

  private readCodes(content: Uint8Array): void {
    for (let at = 0; at < content.length; ) {
      const counts = content.subarray(at + 1, at + 17);
      const total = counts.reduce((sum, count) => sum + count, 0);
      this.codes.set(content[at], new HuffmanCode(counts, content.subarray(at + 17, at + 17 + total)));
      at += 17 + total;
    }
  }

  private readFrame(marker: number, frame: Uint8Array): void {
    if (this.jpeg !== null || frame[0] !== 8) throw new JpegError("several frames, or another depth");
    this.isProgressive = marker === PROGRESSIVE;
    const view = viewOf(frame);
    const [height, width] = [view.getUint16(1), view.getUint16(3)];
    const sides = Array.from({ length: frame[5] }, (_, n) => [frame[7 + 3 * n] >> 4, frame[7 + 3 * n] & 15]);
    const [wide, tall] = [Math.max(...sides.map((side) => side[0])), Math.max(...sides.map((side) => side[1]))];
    if (height === 0 || width === 0 || sides.flat().includes(0)) throw new JpegError("no size");
    const [unitsAcross, unitsDown] = [Math.ceil(width / (8 * wide)), Math.ceil(height / (8 * tall))];
    const components = sides.map((side, n): Component => {
      const stride = unitsAcross * side[0];
      return {
        id: frame[6 + 3 * n],
        wide: side[0],
        tall: side[1],
        table: frame[8 + 3 * n],
        across: Math.ceil(Math.ceil((width * side[0]) / wide) / 8),
        down: Math.ceil(Math.ceil((height * side[1]) / tall) / 8),
        stride,
        coefficients: new Int16Array(64 * stride * unitsDown * side[1]),
      };
    });
    const { tables, tableSegments } = this;
    this.jpeg = {
      width,
      height,
      unitsAcross,
      unitsDown,
      components,
      tables,
      tableSegments,
      frame,
      transform: null,
    };
  }

  /** @returns the end of the scan */
  private readScan(header: Uint8Array, start: number): number {
    if (this.jpeg === null) throw new JpegError("a scan without a frame");
    const count = header[0];
    const [first, last, bits] = header.subarray(1 + 2 * count);
    const parts = Array.from({ length: count }, (_, n): Part => {
      const component = this.jpeg?.components.find(({ id }) => id === header[1 + 2 * n]);
      if (component === undefined) throw new JpegError("no such component");
      this.scanned.add(component.id);
      const number = header[2 + 2 * n];
      return { component, dc: this.codes.get(number >> 4), ac: this.codes.get(16 | (number & 15)), before: 0 };
    });
    const scan = this.isProgressive ? { first, last, high: bits >> 4, low: bits & 15 } : null;
    const source = new Bits(this.file, start);
    const decoder = new ScanDecoder(source, scan);
    decodeUnits(this.jpeg, parts, this.interval, source, decoder);
    return source.markerAfter();
  }
}

/** A component in a scan. */
interface Part {
  component: Component;
  dc: HuffmanCode | undefined;
  ac: HuffmanCode | undefined;
  /** The mean of the block before. */
  before: number;
}

/** Decode all blocks of a scan, coded unit by coded unit. */
function decodeUnits(jpeg: Jpeg, parts: Part[], interval: number, source: Bits, decoder: ScanDecoder): void {
  const [only] = parts;
  const isAlone = parts.length === 1;
  const across = isAlone ? only.component.across : jpeg.unitsAcross;
  const down = isAlone ? only.component.down : jpeg.unitsDown;
  for (let unit = 0; unit < across * down; unit++) {
    if (interval > 0 && unit > 0 && unit % interval === 0) {
      source.restart();
      decoder.restart();
      for (const part of parts) part.before = 0;
    }
    const [row, column] = [Math.floor(unit / across), unit % across];
    if (isAlone) {
      decoder.decode(only, 64 * (row * only.component.stride + column));
      continue;
    }
    for (const part of parts) {
      const { wide, tall, stride } = part.component;
      for (let block = 0; block < wide * tall; block++) {
        const y = row * tall + Math.floor(block / wide);
        decoder.decode(part, 64 * (y * stride + column * wide + (block % wide)));
      }
    }
  }
}

/** A Huffman code, by a table of the next 8 bits and, for longer codes, by length. */
class HuffmanCode {
  /** Length and symbol by the next 8 bits; 0 for longer codes. */
  private readonly short = new Uint16Array(256);
  private readonly limits = new Int32Array(18).fill(-1);
  private readonly offsets = new Int32Array(17);

  constructor(
    counts: Uint8Array,
    private readonly symbols: Uint8Array,
  ) {
    for (let length = 1, code = 0, at = 0; length <= 16; length++, code <<= 1) {
      this.offsets[length] = at - code;
      for (let n = 0; n < counts[length - 1]; n++, at++, code++) {
        if (length > 8) continue;
        const from = code << (8 - length);
        this.short.fill((length << 8) | symbols[at], from, from + (1 << (8 - length)));
      }
      this.limits[length] = code;
    }
  }

  next(source: Bits): number {
    const found = this.short[source.peek(8)];
    if (found !== 0) {
      source.skip(found >> 8);
      return found & 255;
    }
    const bits = source.peek(16);
    for (let length = 9; length <= 16; length++) {
      const code = bits >> (16 - length);
      if (code < this.limits[length]) {
        source.skip(length);
        return this.symbols[this.offsets[length] + code];
      }
    }
    throw new JpegError("no such code");
  }
}

/** The bits of a scan. */
class Bits {
  private buffer = 0;
  private count = 0;
  /** Bits after the end. */
  private missing = 0;

  constructor(
    private readonly file: Uint8Array,
    private at: number,
  ) {}

  /** The next bits, at most 16. */
  peek(count: number): number {
    while (this.count < count) this.load();
    return (this.buffer >> (this.count - count)) & ((1 << count) - 1);
  }

  skip(count: number): void {
    this.count -= count;
    if (this.count < this.missing) throw new JpegError("it ends early");
  }

  take(count: number): number {
    if (count === 0) return 0;
    const bits = this.peek(count);
    this.skip(count);
    return bits;
  }

  /** A signed number of that many bits. */
  number(count: number): number {
    const bits = this.take(count);
    return count === 0 || bits >> (count - 1) === 1 ? bits : bits - (1 << count) + 1;
  }

  private load(): void {
    const { file } = this;
    let byte = 0;
    if (this.at < file.length && (file[this.at] !== 0xff || file[this.at + 1] === 0)) {
      byte = file[this.at];
      this.at += byte === 0xff ? 2 : 1;
    } else {
      this.missing += 8;
    }
    this.buffer = ((this.buffer << 8) | byte) & 0xffffff;
    this.count += 8;
  }

  restart(): void {
    this.buffer = this.count = this.missing = 0;
    const { file } = this;
    if (file[this.at] !== 0xff || file[this.at + 1] < 0xd0 || file[this.at + 1] > 0xd7) {
      throw new JpegError("no restart");
    }
    this.at += 2;
  }

  /** Where the next marker begins. */
  markerAfter(): number {
    const { file } = this;
    let at = this.at;
    while (at + 1 < file.length && (file[at] !== 0xff || file[at + 1] === 0)) at++;
    return at;
  }
}

/** Decodes blocks of a scan, which in progressive files holds some of the bits of some coefficients. */
class ScanDecoder {
  /** Blocks left of a run that have no more coefficients. */
  private run = 0;

  constructor(
    private readonly source: Bits,
    private readonly scan: { first: number; last: number; high: number; low: number } | null,
  ) {}

  restart(): void {
    this.run = 0;
  }

  /** @param at - index of the block's first coefficient */
  decode(part: Part, at: number): void {
    const { coefficients } = part.component;
    const { scan, source } = this;
    if (scan === null) {
      coefficients[at] = this.mean(part);
      this.sequential(coefficients, at, codeOf(part.ac));
    } else if (scan.first === 0) {
      if (scan.high === 0) coefficients[at] = this.mean(part) << scan.low;
      else if (source.take(1) === 1) coefficients[at] |= 1 << scan.low;
    } else if (scan.high === 0) {
      this.first(coefficients, at, codeOf(part.ac));
    } else {
      this.refine(coefficients, at, codeOf(part.ac));
    }
  }

  private mean(part: Part): number {
    part.before += this.source.number(codeOf(part.dc).next(this.source));
    return part.before;
  }

  private sequential(coefficients: Int16Array, at: number, code: HuffmanCode): void {
    for (let k = 1; k < 64; k++) {
      const symbol = code.next(this.source);
      const size = symbol & 15;
      if (size === 0 && symbol !== 0xf0) return;
      k += symbol >> 4;
      if (k > 63) throw new JpegError("too many coefficients");
      if (size > 0) coefficients[at + k] = this.source.number(size);
    }
  }

  private first(coefficients: Int16Array, at: number, code: HuffmanCode): void {
    const { first, last, low } = this.scan as { first: number; last: number; low: number };
    if (this.run > 0) {
      this.run--;
      return;
    }
    for (let k = first; k <= last; k++) {
      const symbol = code.next(this.source);
      const [zeros, size] = [symbol >> 4, symbol & 15];
      if (size === 0 && zeros < 15) {
        this.run = (1 << zeros) - 1 + this.source.take(zeros);
        return;
      }
      k += zeros;
      if (k > 63) throw new JpegError("too many coefficients");
      if (size > 0) coefficients[at + k] = this.source.number(size) * (1 << low);
    }
  }

  private refine(coefficients: Int16Array, at: number, code: HuffmanCode): void {
    const { first, last, low } = this.scan as { first: number; last: number; low: number };
    let k = first;
    if (this.run === 0) {
      for (; k <= last; k++) {
        const symbol = code.next(this.source);
        let zeros = symbol >> 4;
        let value = 0;
        if ((symbol & 15) !== 0) {
          value = this.source.take(1) === 1 ? 1 << low : -(1 << low);
        } else if (zeros < 15) {
          this.run = (1 << zeros) + this.source.take(zeros);
          break;
        }
        for (; k <= last; k++) {
          if (coefficients[at + k] !== 0) this.refineOne(coefficients, at + k);
          else if (zeros-- === 0) break;
        }
        if (value !== 0 && k <= last) coefficients[at + k] = value;
      }
    }
    if (this.run > 0) {
      for (; k <= last; k++) if (coefficients[at + k] !== 0) this.refineOne(coefficients, at + k);
      this.run--;
    }
  }

  private refineOne(coefficients: Int16Array, at: number): void {
    const bit = 1 << (this.scan as { low: number }).low;
    if (this.source.take(1) === 0 || (Math.abs(coefficients[at]) & bit) !== 0) return;
    coefficients[at] += coefficients[at] > 0 ? bit : -bit;
  }
}

function codeOf(code: HuffmanCode | undefined): HuffmanCode {
  if (code === undefined) throw new JpegError("no such table");
  return code;
}
