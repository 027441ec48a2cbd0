import { deflateSync } from "node:zlib";
import { expect, test } from "vitest";
import { readFacts } from "../src/engine/browser/facts";

/** A PNG file up to its pixels, with a profile as most programs write it: compressed, and with a name that says nothing. */
function pngWith(profile: Uint8Array): Uint8Array<ArrayBuffer> {
  const named = [...Buffer.from("ICC Profile\0\0", "latin1"), ...profile];
  const chunks = [["IHDR", Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0])] as const, ["iCCP", named] as const];
  const written = chunks.flatMap(([name, content]) => {
    return [0, 0, 0, content.length, ...Buffer.from(name), ...content, 0, 0, 0, 0];
  });
  return Uint8Array.from([0x89, ...Buffer.from("PNG\r\n\x1a\n"), ...written, 0, 0, 0, 0, ...Buffer.from("IDAT")]);
}

/** The description of a profile as version 2 writes it, or in UTF-16 as version 4. */
const described = (text: string, encoding: "latin1" | "utf16le" = "latin1"): Buffer => {
  return deflateSync(Buffer.concat([Buffer.alloc(128), Buffer.from(`desc\0${text}`, encoding)]));
};

test.each([
  ["sRGB", described("sRGB IEC61966-2.1"), false],
  ["sRGB in UTF-16", described("sRGB built-in", "utf16le"), false],
  ["another space", described("Display P3"), true],
  ["damage", described("sRGB IEC61966-2.1").subarray(0, 8), true],
  ["nothing", new Uint8Array(0), true],
])("the compressed profile of a PNG is read: %s", async (_, profile, isOther) => {
  expect((await readFacts(pngWith(profile))).profile).toBe(isOther);
});
