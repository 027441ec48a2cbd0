import { describe, expect, it } from "vitest";
import { EXIF_OR_XMP, readSegments, withMetadata } from "../src/engine/browser/jpeg";

const XMP = "http://ns.adobe.com/xap/1.0/\0";
const THUMBNAILS = "<xmp:Thumbnails>\n<xmpGImg:image>/9j/4AAQ</xmpGImg:image></xmp:Thumbnails>";

/** As much of a JPEG file of 5 by 7 pixels as says something beside the pixels. */
function aFile(...segments: [number, string][]): Uint8Array {
  const frame: [number, string] = [0xc0, "\x08\0\x05\0\x07\x01"];
  const written = [...segments, frame].flatMap(([marker, text]) => {
    const content = new TextEncoder().encode(text);
    return [0xff, marker, 0, content.length + 2, ...content];
  });
  return Uint8Array.from([0xff, 0xd8, ...written, 0xff, 0xda, 0, 2]);
}

describe("the metadata of a photo that is filled in the browser", () => {
  it("keeps XMP, for the photo set upright and without the thumbnails that show it as it was", () => {
    const original = aFile([EXIF_OR_XMP, `${XMP}<a tiff:Orientation="6">Şişli${THUMBNAILS}</a>`]);
    const { file, lost } = withMetadata(aFile(), original);
    const texts = readSegments(file).segments.map(({ content }) => new TextDecoder().decode(content));
    expect(texts).toContain(`${XMP}<a tiff:Orientation="1">Şişli</a>`);
    expect(lost).toBe(false);
  });
});
