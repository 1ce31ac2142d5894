/**
 * Draws the letters of the map: an OFL font from npm -> signed-distance glyphs, one file per 256 code points.
 * Output: public/fonts/<font>/<first>-<last>.pbf, the font's licence beside them, and fonts.json that lists them.
 */
import { createRequire } from "node:module";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";

const pack = promisify(brotliCompress);
const require = createRequire(import.meta.url);
const range = promisify(require("fontnik").range);

const PACKAGE = "@expo-google-fonts/noto-sans";
const FONTS = {
  "Noto Sans Regular": "400Regular/NotoSans_400Regular.ttf",
  "Noto Sans Medium": "500Medium/NotoSans_500Medium.ttf",
  "Noto Sans Italic": "400Regular_Italic/NotoSans_400Regular_Italic.ttf",
};
/** Blocks that place names in Latin, Greek and Cyrillic need, by code point, both ends included. */
const BLOCKS = [
  [0x0000, 0x05ff], // Latin, its extensions, modifiers, combining marks, Greek, Cyrillic
  [0x1d00, 0x20ff], // phonetic, Latin Extended Additional, Greek Extended, punctuation, currency
  [0x2100, 0x22ff], // letterlike signs, arrows, mathematical operators
  [0x2c00, 0x2eff], // Latin Extended-C, Cyrillic Extended-A
  [0xa600, 0xa7ff], // Cyrillic Extended-B, Latin Extended-D
  [0xfb00, 0xfbff], // ligatures
  [0xff00, 0xffff], // the replacement character
];
const SIZE = 256;

/**
 * Distances from a letter's edge (192; 32 to a pixel of letters 24 pixels high) in steps of a quarter of a pixel, as far as a
 * halo or a soft edge reaches: a pixel of the map shows no difference, and the files are less than half as large when packed.
 */
const STEP = 8;
const [FARTHEST, DEEPEST] = [64, 232];
const COARSE = Uint8Array.from({ length: 256 }, (_, value) =>
  Math.min(255, STEP * Math.round(Math.min(Math.max(value, FARTHEST), DEEPEST) / STEP)),
);
/** In a glyph file: stacks, their glyphs, and a glyph's bitmap (https://github.com/mapbox/node-fontnik/blob/master/proto/glyphs.proto). */
const [STACK, GLYPH, BITMAP] = [1, 3, 2];

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = join(root, "public", "fonts");
const source = dirname(require.resolve(`${PACKAGE}/package.json`));

/** What the output is made from: the same text means that there is nothing to do. */
async function describe() {
  const { version } = JSON.parse(await readFile(join(source, "package.json"), "utf8"));
  return `${JSON.stringify({ package: PACKAGE, version, fonts: Object.keys(FONTS), blocks: BLOCKS, step: STEP }, null, 2)}\n`;
}

/** The number at a place in Protocol Buffers, and the place after it. */
function readNumber(bytes, at) {
  for (let value = 0, shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return [value, at];
  }
}

/** What fields of a message with this number hold; all of its fields are numbers or have a length. */
function* readFields(bytes, wanted) {
  for (let at = 0; at < bytes.length;) {
    const [key, start] = readNumber(bytes, at);
    const [value, next] = readNumber(bytes, start);
    at = key % 8 === 2 ? next + value : next;
    if (key === wanted * 8 + 2) yield bytes.subarray(next, at);
  }
}

/** Make the bitmaps of a glyph file coarser, in place. */
function coarsen(file) {
  for (const stack of readFields(file, STACK))
    for (const glyph of readFields(stack, GLYPH))
      for (const bitmap of readFields(glyph, BITMAP)) bitmap.forEach((value, index) => (bitmap[index] = COARSE[value]));
  return file;
}

async function build() {
  const description = await describe();
  const stamp = join(target, "fonts.json");
  if ((await readFile(stamp, "utf8").catch(() => "")) === description) return;
  await rm(target, { recursive: true, force: true });
  let files = 0;
  for (const [name, path] of Object.entries(FONTS)) {
    const font = await readFile(join(source, path));
    await mkdir(join(target, name), { recursive: true });
    for (const [first, last] of BLOCKS) {
      for (let start = first; start < last; start += SIZE) {
        const glyphs = await range({ font, start, end: start + SIZE - 1 });
        const path = join(target, name, `${start}-${start + SIZE - 1}.pbf`);
        await writeFile(path, coarsen(glyphs));
        await writeFile(`${path}.br`, await pack(glyphs, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
        files += 1;
      }
    }
  }
  await writeFile(join(target, "OFL.txt"), await readFile(join(source, "LICENSE_FONT")));
  await writeFile(stamp, description); // last, so that a build cut short is done again
  console.log(`glyphs: ${files} files of ${Object.keys(FONTS).length} fonts`);
}

await build();
