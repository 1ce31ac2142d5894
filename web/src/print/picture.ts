/** A sheet as a picture of exactly so many dots, which says how large it is on paper. */
import type { Box, Size } from "./paper.ts";

/** The browser does not give room for so large a picture. */
export class TooLarge extends Error {}

export interface Sheet {
  /** All but the maps, as an SVG of the picture's own size. */
  drawing: string;
  /** Each with where it is, in pixels of paper. */
  maps: { canvas: HTMLCanvasElement; box: Box }[];
  /** How large the sheet is, in pixels of paper. */
  paper: Size;
  background: string;
}

export async function renderPicture({ drawing, maps, paper, background }: Sheet, dots: Size, perInch: number): Promise<Blob> {
  const address = URL.createObjectURL(new Blob([drawing], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [dots.width, dots.height];
    const context = canvas.getContext("2d");
    if (!context) throw new TooLarge();
    const [across, down] = [dots.width / paper.width, dots.height / paper.height];
    context.fillStyle = background;
    context.fillRect(0, 0, dots.width, dots.height);
    for (const { canvas: map, box } of maps) context.drawImage(map, box.x * across, box.y * down, box.width * across, box.height * down);
    context.drawImage(image, 0, 0, dots.width, dots.height);
    // A canvas that is too large stays empty, without a word.
    if (!context.getImageData(dots.width - 1, dots.height - 1, 1, 1).data[3]) throw new TooLarge();
    const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/png"));
    canvas.width = canvas.height = 0;
    if (!blob) throw new TooLarge();
    return new Blob([markResolution(new Uint8Array(await blob.arrayBuffer()), perInch)], { type: "image/png" });
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** Bytes of a PNG before its second part: a signature of 8, and IHDR of 13 within 12. */
const SECOND = 33;

/** Put in how many dots a metre has (PNG, 11.3.4.3 pHYs), by which programs print it true to scale. */
export function markResolution(png: Uint8Array<ArrayBuffer>, perInch: number): Uint8Array<ArrayBuffer> {
  const chunk = new Uint8Array(21);
  const view = new DataView(chunk.buffer);
  const perMetre = Math.round(perInch / 0.0254);
  view.setUint32(0, 9);
  chunk.set([0x70, 0x48, 0x59, 0x73], 4);
  view.setUint32(8, perMetre);
  view.setUint32(12, perMetre);
  chunk[16] = 1;
  view.setUint32(17, checksum(chunk.subarray(4, 17)));
  const marked = new Uint8Array(png.length + chunk.length);
  marked.set(png.subarray(0, SECOND));
  marked.set(chunk, SECOND);
  marked.set(png.subarray(SECOND), SECOND + chunk.length);
  return marked;
}

/** CRC-32 as PNG has it (annex D). */
function checksum(bytes: Uint8Array): number {
  let rest = 0xffffffff;
  for (const byte of bytes) {
    rest ^= byte;
    for (let bit = 0; bit < 8; bit += 1) rest = (rest >>> 1) ^ (rest & 1 ? 0xedb88320 : 0);
  }
  return (rest ^ 0xffffffff) >>> 0;
}
