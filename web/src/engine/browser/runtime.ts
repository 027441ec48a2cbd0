/** Networks by ONNX Runtime: on the CPU, or on the GPU where it gives the same result. */

import * as onGpu from "onnxruntime-web/jspi";
import gpuGlue from "onnxruntime-web/ort-wasm-simd-threaded.jspi.mjs?raw";
import glue from "onnxruntime-web/ort-wasm-simd-threaded.mjs?raw";
import type { InferenceSession, Tensor } from "onnxruntime-web/wasm";
import * as onProcessor from "onnxruntime-web/wasm";
import shared from "../../shared.json";
import type { PublicNetwork } from "../../site";
import type { DamageNetwork } from "./finding";
import type { Blend, Network } from "./inpaint";
import { publicNetwork } from "./public_network";

/** Of 255: a GPU that differs more from the processor is not used. */
const MAX_DIFFERENCE = 2;

/** More threads are not faster. */
const MAX_THREADS = 8;

/** Sides of the blend's input are multiples of it. */
const { BLEND_MULTIPLE } = shared.networks;

/** Side in pixels of the picture on which GPU and CPU are compared. */
const TRIED_SIDE = 256;

type Values = Float32Array | Uint8Array;
type Inputs = Record<string, { data: Values; channels: number }>;

/** The networks of a folder, ready to run. */
export interface Networks {
  network: Network;
  /** Open a blend, an ONNX file (network, patches, coarse_patches, known) -> completed. */
  blend(content: Uint8Array): Promise<Blend>;
  /** Open a network that finds damage, an ONNX file (photo) -> probabilities. */
  damage(content: Uint8Array): Promise<DamageNetwork>;
  /** The device, for the console. */
  description: string;
}

/**
 * Start ONNX Runtime.
 *
 * @param forGpu - whether to use the build for GPUs
 * @param binary - that build
 * @param content - a generator as an ONNX file, (photo, known) -> completed, by which the GPU is tested
 * @param foreign - how the generator is used, if another program wrote it
 */
export async function startNetworks(
  forGpu: boolean,
  binary: Uint8Array<ArrayBuffer>,
  content: Uint8Array,
  foreign: PublicNetwork | null,
): Promise<Networks> {
  const asNetwork = (model: Model): Network => (foreign === null ? own(model) : ofOthers(model, foreign));
  if (!forGpu) {
    prepare(onProcessor, binary, glue);
    return networksOf(new Model(onProcessor, await openSession(onProcessor, content, "wasm"), "wasm"), asNetwork);
  }
  prepare(onGpu, binary, gpuGlue);
  const processor = new Model(onGpu, await openSession(onGpu, content, "wasm"), "wasm");
  const gpu = await betterOnGpu(processor, content, asNetwork);
  if (gpu) await processor.close();
  return networksOf(gpu ?? processor, asNetwork);
}

function networksOf(generator: Model, asNetwork: (model: Model) => Network): Networks {
  return {
    network: asNetwork(generator),
    blend: async (content) => blendOf(await generator.another(content)),
    damage: async (content) => damageOf(await generator.another(content, "wasm")), // thresholds need its precision
    description: generator.device === "wasm" ? `the processor, ${threads()} threads` : "the GPU",
  };
}

/** A loaded graph. */
class Model {
  constructor(
    private readonly ort: typeof onProcessor,
    private readonly session: InferenceSession,
    readonly device: string,
  ) {}

  /** Another graph in the same runtime. */
  async another(content: Uint8Array, device = this.device): Promise<Model> {
    return new Model(this.ort, await openSession(this.ort, content, device), device);
  }

  /** The network's first output. */
  async run(inputs: Inputs, count: number, height: number, width: number): Promise<Values> {
    const feeds: Record<string, Tensor> = {};
    for (const [name, { data, channels }] of Object.entries(inputs)) {
      const shape = [count, channels, height, width];
      feeds[name] =
        data instanceof Uint8Array
          ? new this.ort.Tensor("uint8", data, shape)
          : new this.ort.Tensor("float32", data, shape);
    }
    const completed = (await this.session.run(feeds))[this.session.outputNames[0]];
    const data = (await completed.getData()) as Values;
    completed.dispose();
    return data;
  }

  close(): Promise<void> {
    return this.session.release();
  }
}

function openSession(ort: typeof onProcessor, content: Uint8Array, device: string): Promise<InferenceSession> {
  const errors = 3; // which are raised as well
  return ort.InferenceSession.create(content, { executionProviders: [device], logSeverityLevel: errors });
}

function own(generator: Model): Network {
  return async (photo, known, { count, height, width }) => {
    const inputs = { photo: { data: planes(photo, 3, count), channels: 3 }, known: { data: known, channels: 1 } };
    return pixels(await generator.run(inputs, count, height, width), 3, count);
  };
}

function ofOthers(model: Model, foreign: PublicNetwork): Network {
  return publicNetwork(foreign, (inputs, { height, width }) => model.run(inputs, 1, height, width));
}

function blendOf(model: Model): Blend {
  return async (network, patches, coarsePatches, known, { height, width }) => {
    const size = { height, width, tall: roundUp(height), wide: roundUp(width) };
    const inputs = {
      network: { data: planes(pad(network, 3, size), 3, 1), channels: 3 },
      patches: { data: planes(pad(patches, 3, size), 3, 1), channels: 3 },
      coarse_patches: { data: planes(pad(coarsePatches, 3, size), 3, 1), channels: 3 },
      known: { data: pad(known, 1, size), channels: 1 },
    };
    return cut(pixels(await model.run(inputs, 1, size.tall, size.wide), 3, 1), 3, size);
  };
}

function damageOf(model: Model): DamageNetwork {
  return async (photo, { height, width }) => {
    const found = await model.run({ photo: { data: photo, channels: 3 } }, 1, height, width);
    return found as Float32Array;
  };
}

/** Configure ONNX Runtime's code; its glue is a blob, because hosts often serve modules with the wrong type. */
function prepare(ort: typeof onProcessor, binary: Uint8Array<ArrayBuffer>, module: string): void {
  ort.env.logLevel = "error"; // errors are raised as well
  ort.env.wasm.wasmBinary = binary;
  ort.env.wasm.wasmPaths = { mjs: URL.createObjectURL(new Blob([module], { type: "text/javascript" })) };
  ort.env.wasm.numThreads = threads();
}

/** Browsers allow threads only on cross-origin isolated pages. */
function threads(): number {
  return self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, MAX_THREADS) : 1;
}

/** The generator on the GPU, if it gives the same result as the CPU, and faster; otherwise null. */
async function betterOnGpu(
  processor: Model,
  content: Uint8Array,
  asNetwork: (model: Model) => Network,
): Promise<Model | null> {
  try {
    const gpu = new Model(onGpu, await openSession(onGpu, content, "webgpu"), "webgpu");
    await tryOut(asNetwork(gpu)); // warm-up: the first run compiles shaders
    const [expected, found] = [await tryOut(asNetwork(processor)), await tryOut(asNetwork(gpu))];
    const same = found.completed.every((value, at) => 255 * Math.abs(value - expected.completed[at]) <= MAX_DIFFERENCE);
    if (same && found.time < expected.time) return gpu;
    await gpu.close();
  } catch {
    // drivers fail in many ways
  }
  return null;
}

async function tryOut(network: Network): Promise<{ completed: Float32Array; time: number }> {
  const { photo, known } = pictureWithHole(TRIED_SIDE);
  const begin = performance.now();
  const completed = await network(photo, known, { count: 1, height: TRIED_SIDE, width: TRIED_SIDE });
  return { completed, time: performance.now() - begin };
}

/** A test picture: waves of several lengths and colours, with a square hole of a third of the side. */
function pictureWithHole(side: number): { photo: Float32Array; known: Float32Array } {
  const known = new Float32Array(side * side);
  const photo = new Float32Array(3 * known.length);
  const inHole = (at: number) => 3 * at > side && 3 * at < 2 * side;
  for (let pixel = 0; pixel < known.length; pixel++) {
    const [x, y] = [pixel % side, Math.floor(pixel / side)];
    if (inHole(x) && inHole(y)) continue;
    known[pixel] = 1;
    for (let channel = 0; channel < 3; channel++) {
      photo[3 * pixel + channel] = 0.5 + 0.25 * (Math.sin((x * (channel + 1)) / 9) + Math.cos((y * x) / 500));
    }
  }
  return { photo, known };
}

/** N·H·W·C as N·C·H·W. */
function planes(data: Float32Array, channels: number, count: number): Float32Array {
  return transposed(data, data.length / channels / count, channels);
}

/** N·C·H·W as N·H·W·C. */
function pixels(data: Values, channels: number, count: number): Float32Array {
  return transposed(data, channels, data.length / channels / count);
}

/** Transpose N matrices. */
function transposed(data: Values, rows: number, columns: number): Float32Array {
  const result = new Float32Array(data.length);
  for (let start = 0, from = 0; start < data.length; start += rows * columns) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) result[start + column * rows + row] = data[from++];
    }
  }
  return result;
}

interface Padding {
  height: number;
  width: number;
  tall: number;
  wide: number;
}

function roundUp(side: number): number {
  return Math.ceil(side / BLEND_MULTIPLE) * BLEND_MULTIPLE;
}

/** height·width·C enlarged to tall·wide·C by repeating the last row and column. */
function pad(data: Float32Array, channels: number, { height, width, tall, wide }: Padding): Float32Array {
  const result = new Float32Array(tall * wide * channels);
  for (let y = 0; y < tall; y++) {
    const begin = Math.min(y, height - 1) * width * channels;
    const to = y * wide * channels;
    result.set(data.subarray(begin, begin + width * channels), to);
    const last = data.subarray(begin + (width - 1) * channels, begin + width * channels);
    for (let x = width; x < wide; x++) result.set(last, to + x * channels);
  }
  return result;
}

/** The top left height·width·C of tall·wide·C. */
function cut(data: Float32Array, channels: number, { height, width, wide }: Padding): Float32Array {
  const result = new Float32Array(height * width * channels);
  for (let y = 0; y < height; y++) {
    const from = y * wide * channels;
    result.set(data.subarray(from, from + width * channels), y * width * channels);
  }
  return result;
}
