import { expect, test } from "vitest";
import { grow, shrink } from "../../src/editor/grow";
import type { Piece } from "../../src/engine/engine";

const photo = { width: 40, height: 30 };

/** Every pixel looks at every marked one. */
function slowly(marked: [number, number][], reach: number): string[] {
  return Array.from({ length: photo.height }, (_, y) =>
    Array.from({ length: photo.width }, (_, x) =>
      marked.some(([left, top]) => (x - left) ** 2 + (y - top) ** 2 <= reach ** 2) ? "#" : ".",
    ).join(""),
  );
}

function rowsOf({ rect, mask }: Piece): string[] {
  return Array.from({ length: photo.height }, (_, y) =>
    Array.from({ length: photo.width }, (_, x) => {
      const [left, top] = [x - rect.left, y - rect.top];
      const inside = left >= 0 && top >= 0 && left < rect.width && top < rect.height;
      return inside && mask[top * rect.width + left] === 255 ? "#" : ".";
    }).join(""),
  );
}

test.each([1, 2, 5, 13])(
  "grown by %i pixels, exactly what lies that near is marked, up to the photo's edge",
  async (reach) => {
    const rect = { left: 4, top: 2, width: 20, height: 17 };
    const marked: [number, number][] = [
      [4, 2],
      [9, 5],
      [10, 5],
      [23, 18],
    ];
    const mask = new Uint8Array(rect.width * rect.height);
    for (const [x, y] of marked) mask[(y - rect.top) * rect.width + x - rect.left] = 255;
    expect(rowsOf(await grow({ rect, mask }, reach, photo))).toEqual(slowly(marked, reach));
  },
);

test.each([1, 3, 6])("shrunk by %i pixels, what is left is that far from all that is not marked", async (reach) => {
  const rect = { left: 0, top: 3, width: 30, height: 27 }; // at two edges of the photo, beyond which nothing is known
  const mask = new Uint8Array(rect.width * rect.height).fill(255);
  mask[10 * rect.width + 12] = 0;
  const unmarked: [number, number][] = [];
  for (let y = 0; y < photo.height; y++) {
    for (let x = 0; x < photo.width; x++) {
      if (x >= rect.width || y < rect.top || (x === 12 && y === 13)) unmarked.push([x, y]);
    }
  }
  const left = slowly(unmarked, reach).map((row) => row.replace(/[#.]/g, (sign) => (sign === "#" ? "." : "#")));
  expect(rowsOf(await shrink({ rect, mask }, reach, photo))).toEqual(left);
});

test.each([grow, shrink])(
  "a mask of many megapixels is changed in slices: %o gives others their turn",
  async (change) => {
    const large = { width: 4000, height: 2000 };
    const mask = new Uint8Array(large.width * large.height).fill(255);
    mask[1_234_567] = 0;
    let turns = 0;
    const timer = setInterval(() => turns++);
    await change({ rect: { left: 0, top: 0, ...large }, mask }, 4, large);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(3);
  },
);
