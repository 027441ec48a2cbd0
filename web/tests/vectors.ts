/** What `tests/web_vectors.py` writes: photos, holes and what Python makes of them. */

import type { Decoded } from "../src/engine/browser/decoding";
import type { Holes, Photo } from "../src/engine/browser/pixels";

/** Top, left, bottom, right; of windows those of the core, then those of what is shown. */
type Numbers = number[];

interface Packed {
  name: string;
  height: number;
  width: number;
  /** Packed bytes; each pixel is to be repeated so often a side. */
  photo: string;
  repeat: number;
  hole: string;
  network: string;
  training_size: number;
  step: number;
  /** Of what is copied; null for none. */
  seed: number | null;
  feather: number;
  passes: Numbers[];
  /** The pixels of the holes. */
  completed: string;
  /** A depth, and how many pixels are deeper or part of a hole that is. */
  depths: [number, number, number][];
  /** For blocks of 1, 7 and 32 pixels. */
  groups: [Numbers[], Numbers[], Numbers[]];
  plan: Numbers[][];
  plan_deep: Numbers[];
  plan_texture: Numbers[][];
}

export interface Case extends Omit<Packed, "photo" | "hole" | "completed"> {
  photo: Photo;
  hole: Holes;
  completed: Uint8Array;
}

interface Rules {
  contexts: [number, number, [number, number]][];
  sizes: [number, number, number, number][];
  patch_radius: [number, number, number][];
  texture_margins: [number, number, number][];
  texture_sides: [number, number][];
}

/** Whether the vectors are those that are kept. */
export const areKept = import.meta.env.VITE_VECTORS === undefined;

/** The vectors that are kept, or those of the file that VITE_VECTORS names. */
export async function readVectors(): Promise<{ rules: Rules; cases: Case[] }> {
  const file = import.meta.env.VITE_VECTORS ?? "./vectors.json";
  const vectors: { rules: Rules; cases: Packed[] } = (await import(/* @vite-ignore */ file)).default;
  return { rules: vectors.rules, cases: await Promise.all(vectors.cases.map(unpackCase)) };
}

async function unpackCase(packed: Packed): Promise<Case> {
  const { height, width } = packed;
  const photo = { height, width, data: repeated(await unpack(packed.photo), packed) };
  const hole = { height, width, data: await unpack(packed.hole) };
  return { ...packed, photo, hole, completed: await unpack(packed.completed) };
}

/** Bytes that were stored as their differences to the third before each. */
export async function unpack(text: string): Promise<Uint8Array> {
  const compressed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([compressed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  for (let at = 3; at < bytes.length; at++) bytes[at] += bytes[at - 3];
  return bytes;
}

function repeated(small: Uint8Array, { height, width, repeat }: Packed): Uint8Array {
  const columns = Math.ceil(width / repeat);
  const photo = new Uint8Array(3 * height * width);
  for (let row = 0, at = 0; row < height; row++) {
    for (let column = 0; column < width; column++, at += 3) {
      const from = 3 * (Math.floor(row / repeat) * columns + Math.floor(column / repeat));
      photo.set(small.subarray(from, from + 3), at);
    }
  }
  return photo;
}

/** Colours and opacities of a photo, packed. */
export interface PackedPhoto {
  height: number;
  width: number;
  photo: string;
  alpha: string;
}

/** A photo from packed colours and opacities. */
export async function decoded({ height, width, photo, alpha }: PackedPhoto): Promise<Decoded> {
  const [rgb, opacity] = await Promise.all([unpack(photo), unpack(alpha)]);
  const rgba = new Uint8ClampedArray(4 * height * width);
  for (let pixel = 0; pixel < opacity.length; pixel++) {
    rgba.set(rgb.subarray(3 * pixel, 3 * pixel + 3), 4 * pixel);
    rgba[4 * pixel + 3] = opacity[pixel];
  }
  return { height, width, rgba };
}
