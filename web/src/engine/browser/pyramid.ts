/** The pyramid fill of `onar/fills/pyramid.py`, computed in the holes only. */

import shared from "../../shared.json";
import type { Size } from "./pixels";

const { SMOOTHING_STEPS } = shared.pyramid;

/**
 * Fill the holes of a photo.
 *
 * @param photo - H·W·3, 0 in its holes
 * @param known - H·W, 1 = known, 0 = hole
 * @returns H·W·3; known pixels are the photo's own. Without known pixels: 0.5.
 */
export function fillFrame(photo: Float32Array, known: Float32Array, size: Size): Float32Array {
  const holes = placesOf(known);
  if (holes.length === 0) return photo; // coarser levels are not needed
  if (known.length === 1) return photo.map((value) => value + 0.5);
  const coarse = { height: (size.height + 1) >> 1, width: (size.width + 1) >> 1 };
  const blocks = meansOfBlocks(photo, known, size, coarse);
  const rough = fillFrame(blocks.photo, blocks.known, coarse);
  const filled = photo.slice();
  enlarge(rough, coarse, filled, size, holes);
  const smoothed = new Float32Array(3 * holes.length);
  for (let step = 0; step < SMOOTHING_STEPS; step++) smooth(filled, size, holes, smoothed);
  return filled;
}

/** Indices of the hole pixels. */
function placesOf(known: Float32Array): Int32Array {
  let count = 0;
  for (let pixel = 0; pixel < known.length; pixel++) if (known[pixel] === 0) count++;
  const places = new Int32Array(count);
  for (let pixel = 0, number = 0; number < count; pixel++) if (known[pixel] === 0) places[number++] = pixel;
  return places;
}

/** Means of the known pixels of 2×2 blocks, and the blocks that have any; odd sides are padded with hole. */
function meansOfBlocks(photo: Float32Array, known: Float32Array, size: Size, coarse: Size) {
  const count = coarse.height * coarse.width;
  const means = new Float32Array(3 * count);
  const shares = new Float32Array(count);
  for (let row = 0, pixel = 0; row < size.height; row++) {
    const first = (row >> 1) * coarse.width;
    for (let column = 0; column < size.width; column++, pixel++) {
      if (known[pixel] === 0) continue;
      const block = first + (column >> 1);
      shares[block]++;
      means[3 * block] += photo[3 * pixel];
      means[3 * block + 1] += photo[3 * pixel + 1];
      means[3 * block + 2] += photo[3 * pixel + 2];
    }
  }
  for (let block = 0; block < count; block++) {
    if (shares[block] === 0) continue;
    means[3 * block] /= shares[block];
    means[3 * block + 1] /= shares[block];
    means[3 * block + 2] /= shares[block];
    shares[block] = 1;
  }
  return { photo: means, known: shares };
}

/** Copy the linear enlargement of `rough` into the holes of `filled`. */
function enlarge(rough: Float32Array, coarse: Size, filled: Float32Array, size: Size, holes: Int32Array): void {
  for (let number = 0; number < holes.length; number++) {
    const pixel = holes[number];
    const row = (pixel / size.width) | 0;
    const column = pixel - row * size.width;
    // A pixel lies a quarter of a block from its own block's centre, towards one neighbour.
    const far = Math.min(Math.max((row >> 1) + 2 * (row & 1) - 1, 0), coarse.height - 1);
    const beside = Math.min(Math.max((column >> 1) + 2 * (column & 1) - 1, 0), coarse.width - 1);
    const near = (row >> 1) * coarse.width;
    const own = 3 * (near + (column >> 1));
    const side = 3 * (near + beside);
    const across = 3 * (far * coarse.width + (column >> 1));
    const corner = 3 * (far * coarse.width + beside);
    for (let channel = 0; channel < 3; channel++) {
      filled[3 * pixel + channel] =
        0.75 * (0.75 * rough[own + channel] + 0.25 * rough[side + channel]) +
        0.25 * (0.75 * rough[across + channel] + 0.25 * rough[corner + channel]);
    }
  }
}

/** Smooth each hole pixel by the weighted mean of its neighbours, with replicated borders. */
function smooth(filled: Float32Array, size: Size, holes: Int32Array, smoothed: Float32Array): void {
  const { height, width } = size;
  for (let number = 0; number < holes.length; number++) {
    const pixel = holes[number];
    const row = (pixel / width) | 0;
    const column = pixel - row * width;
    const left = column > 0 ? -3 : 0;
    const right = column < width - 1 ? 3 : 0;
    const here = 3 * pixel;
    const above = row > 0 ? here - 3 * width : here;
    const below = row < height - 1 ? here + 3 * width : here;
    for (let channel = 0; channel < 3; channel++) {
      const a = above + channel;
      const h = here + channel;
      const b = below + channel;
      const straight = filled[a] + filled[h + left] + filled[h + right] + filled[b];
      const corners = filled[a + left] + filled[a + right] + filled[b + left] + filled[b + right];
      smoothed[3 * number + channel] = (2 * straight + corners) / 12;
    }
  }
  for (let number = 0; number < holes.length; number++) {
    const here = 3 * holes[number];
    filled[here] = smoothed[3 * number];
    filled[here + 1] = smoothed[3 * number + 1];
    filled[here + 2] = smoothed[3 * number + 2];
  }
}
