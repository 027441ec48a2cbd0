/** Networks of other programs, such as LaMa and MI-GAN; as `PublicBackend` in `onar/inference/public_networks.py`. */

import type { PublicNetwork } from "../../site";
import type { Size } from "./pixels";
import { fillFrame } from "./pyramid";
import type { Network } from "./tools";

type Values = Float32Array | Uint8Array;

/** Inputs of a network by name, 1·C·H·W each. */
export type Inputs = Record<string, { data: Values; channels: number }>;

/** A network on inputs of a size → its output, 1·3·H·W. */
export type Run = (inputs: Inputs, size: Size) => Promise<Values>;

/** A network that is given one window at a time. */
export function publicNetwork(kind: PublicNetwork, run: Run): Network {
  return async (photo, known, { count, height, width }) => {
    const filled = new Float32Array(photo.length);
    const pixels = height * width;
    for (let number = 0; number < count; number++) {
      const size = { height, width };
      const padded = kind.size === null ? roundedUp(size, kind.step) : { height: kind.size[0], width: kind.size[1] };
      const inputs = feed(
        kind,
        pad(photo.subarray(3 * number * pixels, 3 * (number + 1) * pixels), 3, size, padded),
        pad(known.subarray(number * pixels, (number + 1) * pixels), 1, size, padded),
        padded,
      );
      filled.set(read(kind, await run(inputs, padded), size, padded), 3 * number * pixels);
    }
    return filled;
  };
}

/**
 * The inputs for a photo.
 *
 * @param photo - H·W·3 in [0, 1], 0 in its holes
 * @param known - H·W, 1 = known, 0 = hole
 */
function feed(kind: PublicNetwork, photo: Float32Array, known: Float32Array, size: Size): Inputs {
  const [black, white] = kind.photo;
  const [hole, kept] = kind.mask;
  const shown = photo.map((value, at) => (black + (white - black) * value) * known[Math.floor(at / 3)]);
  const seen = kind.mixes ? fillFrame(shown, known, size) : shown;
  const parts = [planes(seen), known.map((value) => hole + (kept - hole) * value)];
  if (kind.inputs.length > 1) {
    return Object.fromEntries(
      kind.inputs.map(({ name, channels }, number) => [name, { data: typed(kind, parts[number]), channels }]),
    );
  }
  const [{ name, channels }] = kind.inputs;
  const [first, second] = kind.mask_first ? [parts[1], parts[0]] : parts;
  const both = new Float32Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return { [name]: { data: typed(kind, both), channels } };
}

/** Values in the type of the inputs; a clamped array rounds as numpy does. */
function typed({ type }: PublicNetwork, values: Float32Array): Values {
  return type === "float" ? values : new Uint8Array(Uint8ClampedArray.from(values).buffer);
}

/** The fill, H·W·3 about in [0, 1], at the top left of an output. */
function read({ output: [black, white] }: PublicNetwork, output: Values, size: Size, padded: Size): Float32Array {
  const fill = new Float32Array(3 * size.height * size.width);
  const plane = padded.height * padded.width;
  for (let row = 0, to = 0; row < size.height; row++) {
    for (let column = 0; column < size.width; column++) {
      const pixel = row * padded.width + column;
      for (let channel = 0; channel < 3; channel++, to++) {
        const value = (output[channel * plane + pixel] - black) / (white - black);
        // Some divide by the number of known pixels, of which there may be none.
        fill[to] = Number.isFinite(value) ? value : 0;
      }
    }
  }
  return fill;
}

function roundedUp({ height, width }: Size, step: number): Size {
  return { height: Math.ceil(height / step) * step, width: Math.ceil(width / step) * step };
}

/** H·W·C enlarged by reflection at the last row and column, which are not repeated. */
function pad(data: Float32Array, channels: number, from: Size, to: Size): Float32Array {
  const padded = new Float32Array(channels * to.height * to.width);
  for (let row = 0, at = 0; row < to.height; row++) {
    const begin = reflected(row, from.height) * from.width;
    for (let column = 0; column < to.width; column++) {
      const pixel = channels * (begin + reflected(column, from.width));
      for (let channel = 0; channel < channels; channel++) padded[at++] = data[pixel + channel];
    }
  }
  return padded;
}

function reflected(place: number, length: number): number {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const within = place % period;
  return within < length ? within : period - within;
}

/** H·W·3 as 3·H·W. */
function planes(photo: Float32Array): Float32Array {
  const plane = photo.length / 3;
  const result = new Float32Array(photo.length);
  for (let pixel = 0; pixel < plane; pixel++) {
    for (let channel = 0; channel < 3; channel++) result[channel * plane + pixel] = photo[3 * pixel + channel];
  }
  return result;
}
