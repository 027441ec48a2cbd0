/** The nearest of many descriptors of patches. */

import shared from "../../shared.json";

const { DESCRIPTOR_LENGTH: LENGTH } = shared.detail;

/**
 * Finds the nearest of N descriptors, rows of integers, by squared distance; the first of equally near ones.
 *
 * By the inequality of Cauchy and Schwarz, the squared difference of the sums of two descriptors is at most LENGTH times
 * their squared distance. So they are sorted by their sums, and few of them are compared.
 */
export class Nearest {
  /** Indices of the descriptors, in the order of their sums. */
  private readonly order: Int32Array;
  private readonly sums: Float64Array;
  private readonly sorted: Float64Array;

  constructor(descriptors: Float64Array) {
    const sums = Float64Array.from({ length: descriptors.length / LENGTH }, (_, row) =>
      sumOf(descriptors, LENGTH * row),
    );
    this.order = Int32Array.from(sums.keys()).sort((one, other) => sums[one] - sums[other]);
    this.sums = Float64Array.from(this.order, (row) => sums[row]);
    this.sorted = new Float64Array(descriptors.length);
    this.order.forEach((row, place) => {
      this.sorted.set(descriptors.subarray(LENGTH * row, LENGTH * (row + 1)), LENGTH * place);
    });
  }

  /**
   * The nearest to the descriptor that starts at an index of `wanted`.
   *
   * @param guess - the place, as returned for a similar descriptor, at which to begin; 0 for any
   */
  find(wanted: Float64Array, at: number, guess: number): { place: number; row: number; cost: number } {
    const { order, sums, sorted } = this;
    const sum = sumOf(wanted, at);
    let place = guess;
    let cost = distance(wanted, at, sorted, LENGTH * guess, Infinity);
    let above = firstAtLeast(sums, sum);
    let below = above - 1;
    for (;;) {
      // Sums further apart are descriptors further apart.
      const up = above < sums.length ? sums[above] - sum : Infinity;
      const down = below >= 0 ? sum - sums[below] : Infinity;
      const apart = Math.min(up, down);
      if (apart * apart > LENGTH * cost || apart === Infinity) return { place, row: order[place], cost };
      const next = up <= down ? above++ : below--;
      const found = distance(wanted, at, sorted, LENGTH * next, cost);
      if (found < cost || (found === cost && order[next] < order[place])) {
        place = next;
        cost = found;
      }
    }
  }
}

/** The squared distance of two descriptors; stops early above `enough`. */
export function distance(one: Float64Array, from: number, other: Float64Array, at: number, enough: number): number {
  let sum = 0;
  for (const end = from + LENGTH; from < end && sum <= enough; ) {
    for (let value = 0; value < 9; value++, from++, at++) {
      const apart = one[from] - other[at];
      sum += apart * apart;
    }
  }
  return sum;
}

function sumOf(descriptors: Float64Array, from: number): number {
  let sum = 0;
  for (let at = from; at < from + LENGTH; at++) sum += descriptors[at];
  return sum;
}

/** Index of the first of sorted numbers that is at least `least`. */
function firstAtLeast(sorted: Float64Array, least: number): number {
  let begin = 0;
  for (let end = sorted.length; begin < end; ) {
    const middle = (begin + end) >> 1;
    if (sorted[middle] < least) begin = middle + 1;
    else end = middle;
  }
  return begin;
}
