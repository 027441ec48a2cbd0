/** The nearest of many descriptors of patches. */

import shared from "../../shared.json";

const { DESCRIPTOR_LENGTH: LENGTH } = shared.detail;

/** Rows of LENGTH levels. */
export type Descriptors = Uint8Array;

/** More than any squared distance. */
export const FAR = 2 ** 30;

/**
 * Finds the nearest of N descriptors, by squared distance; the first of equally near ones.
 *
 * By the inequality of Cauchy and Schwarz, the squared difference of the sums of two descriptors is at most LENGTH times
 * their squared distance. So they are sorted by their sums, and few of them are compared.
 */
export class Nearest {
  /** Indices of the descriptors, in the order of their sums. */
  private readonly order: Int32Array;
  private readonly sums: Int32Array;
  private readonly sorted: Descriptors;

  constructor(descriptors: Descriptors) {
    const sums = Int32Array.from({ length: descriptors.length / LENGTH }, (_, row) => sumOf(descriptors, LENGTH * row));
    this.order = Int32Array.from(sums.keys()).sort((one, other) => sums[one] - sums[other]);
    this.sums = Int32Array.from(this.order, (row) => sums[row]);
    this.sorted = new Uint8Array(descriptors.length);
    this.order.forEach((row, place) => {
      this.sorted.set(descriptors.subarray(LENGTH * row, LENGTH * (row + 1)), LENGTH * place);
    });
  }

  /**
   * The nearest to the descriptor that starts at an index of `wanted`.
   *
   * @param guess - the place, as returned for a similar descriptor, at which to begin; 0 for any
   */
  find(wanted: Descriptors, at: number, guess: number): { place: number; row: number; cost: number } {
    const { order, sums, sorted } = this;
    const sum = sumOf(wanted, at);
    let place = guess;
    let cost = distance(wanted, at, sorted, LENGTH * guess, FAR);
    let above = firstAtLeast(sums, sum);
    let below = above - 1;
    for (;;) {
      // Sums further apart are descriptors further apart.
      const up = above < sums.length ? sums[above] - sum : FAR;
      const down = below >= 0 ? sum - sums[below] : FAR;
      const apart = Math.min(up, down);
      if (apart * apart > LENGTH * cost || apart === FAR) return { place, row: order[place], cost };
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
export function distance(one: Descriptors, from: number, other: Descriptors, at: number, enough: number): number {
  let sum = 0;
  for (const end = from + LENGTH; from < end && sum <= enough; ) {
    for (let value = 0; value < 9; value++, from++, at++) {
      const apart = one[from] - other[at];
      sum += apart * apart;
    }
  }
  return sum;
}

function sumOf(descriptors: Descriptors, from: number): number {
  let sum = 0;
  for (let at = from; at < from + LENGTH; at++) sum += descriptors[at];
  return sum;
}

/** Index of the first of sorted numbers that is at least `least`. */
function firstAtLeast(sorted: Int32Array, least: number): number {
  let begin = 0;
  for (let end = sorted.length; begin < end; ) {
    const middle = (begin + end) >> 1;
    if (sorted[middle] < least) begin = middle + 1;
    else end = middle;
  }
  return begin;
}
