import { describe, expect, it } from "vitest";
import { readFacts } from "../src/engine/browser/facts";
import { EXIF_OR_XMP, hasManyScans, readSegments, withMetadata } from "../src/engine/browser/jpeg";

const XMP = "http://ns.adobe.com/xap/1.0/\0";
const THUMBNAILS = "<xmp:Thumbnails>\n<xmpGImg:image>/9j/4AAQ</xmpGImg:image></xmp:Thumbnails>";

/** As much of a JPEG file of 5 by 7 pixels as says something beside the pixels. */
function aFile(...segments: [number, string][]): Uint8Array {
  const frame: [number, string] = [0xc0, "\x08\0\x05\0\x07\x01"];
  const written = [...segments, frame].flatMap(([marker, text]) => {
    const content = new TextEncoder().encode(text);
    return [0xff, marker, 0, content.length + 2, ...content];
  });
  return Uint8Array.from([0xff, 0xd8, ...written, 0xff, 0xda, 0, 2, 17, 0xff, 0, 0xff, 0xd0, 0xff, 0xff, 0xd9]);
}

function lengthOf(text: string): [number, number] {
  return [(text.length + 2) >> 8, (text.length + 2) & 255];
}

describe("a file that would take long to decode", () => {
  const scan = [0xff, 0xda, 0, 2, 17, 0xff, 0];

  it.each([
    [100, false],
    [101, true],
  ])("of %i scans is refused: %s", (count, refused) => {
    const scans = Array.from({ length: count }, () => scan).flat();
    expect(hasManyScans(Uint8Array.from([0xff, 0xd8, ...scans, 0xff, 0xd9]))).toBe(refused);
  });

  it("may hold further pictures, whose scans do not count", () => {
    const one = [0xff, 0xd8, ...scan, 0xff, 0xd9];
    expect(hasManyScans(Uint8Array.from(Array.from({ length: 200 }, () => one).flat()))).toBe(false);
  });
});

describe("the metadata of a photo that is filled in the browser", () => {
  it("keeps XMP, for the photo set upright and without the thumbnails that show it as it was", () => {
    const original = aFile([EXIF_OR_XMP, `${XMP}<a tiff:Orientation="6">Şişli${THUMBNAILS}</a>`]);
    const { file, lost } = withMetadata(aFile(), original);
    const texts = readSegments(file).segments.map(({ content }) => new TextDecoder().decode(content));
    expect(texts).toContain(`${XMP}<a tiff:Orientation="1">Şişli</a>`);
    expect(lost).toBe(false);
  });

  it.each([
    ["a comment", aFile([0xfe, "Şişli"])],
    ["whatever a program wrote for itself", aFile([0xeb, "JP: who made it"])],
    ["a list of further pictures", aFile([0xe2, "MPF\0"])],
    ["the video behind a phone's photo", Uint8Array.from([...aFile(), 0, 0, 0, 24, 102, 116, 121, 112])],
  ])("says that it lost %s", async (_, original) => {
    expect(withMetadata(aFile(), original).lost).toBe(true);
    expect((await readFacts(Uint8Array.from(original))).metadata).toBe(true);
  });

  it("passes once over thumbnails that begin thousands of times and never end", () => {
    const packet = "<xmp:Thumbnails>".repeat(4000);
    const long = [0xff, EXIF_OR_XMP, ...lengthOf(`${XMP}${packet}`), ...new TextEncoder().encode(`${XMP}${packet}`)];
    const original = Uint8Array.from([0xff, 0xd8, ...long, ...aFile().slice(2)]);
    const { file } = withMetadata(aFile(), original);
    expect(file.length).toBe(aFile().length + long.length);
  });

  it("keeps the resolution, also where it says the shape of pixels only", () => {
    const [ours, theirs] = ["JFIF\0\x01\x01\0\0\x01\0\x01\0\0", "JFIF\0\x01\x02\0\0\x04\0\x03\0\0"];
    const { file } = withMetadata(aFile([0xe0, ours]), aFile([0xe0, theirs]));
    expect([...readSegments(file).segments[0].content.subarray(5, 12)]).toEqual([1, 1, 0, 0, 4, 0, 3]);
  });

  it("says nothing where nothing is lost", async () => {
    const padded = Uint8Array.from([...aFile([0xe2, "ICC_PROFILE\0sRGB"], [0xee, "Adobe"], [0xdb, "\0"]), 0, 0]);
    expect(withMetadata(aFile(), padded).lost).toBe(false);
    expect((await readFacts(padded)).metadata).toBe(false);
  });
});
