/**
 * Draws the letters of the map: an OFL font from npm -> signed-distance glyphs, one file per 256 code points, for Latin, Greek
 * and Cyrillic; and puts font files beside them for other scripts and rare letters, which MapLibre draws from where they occur.
 * Output: public/fonts/<font>/<first>-<last>.pbf, <script>.woff2, the fonts' licences, faces.json that says which code points
 * are in which file, and fonts.json that says what all was made from.
 */
import { createRequire } from "node:module";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
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
 * Of these files, which labels in any Latin script need, what names are written with: the rest is drawn from `rest.woff2`, so
 * that a first view takes few bytes. By the first code point of the file: code points, both ends included.
 */
const COMMON = {
  0x0100: [
    [0x0100, 0x017f], // Latin Extended-A
    ...[
      [0x018f, 0x018f],
      [0x01a0, 0x01a1],
      [0x01af, 0x01b0],
    ], // Azerbaijani, Vietnamese
    ...[
      [0x01cd, 0x01dc],
      [0x01e6, 0x01e7],
    ], // Pinyin, and names of Arabic origin
  ],
  0x1e00: [
    ...[
      [0x1e0c, 0x1e0d],
      [0x1e24, 0x1e25],
      [0x1e32, 0x1e33],
      [0x1e36, 0x1e37],
      [0x1e42, 0x1e43],
      [0x1e46, 0x1e47],
    ],
    ...[
      [0x1e5a, 0x1e5b],
      [0x1e62, 0x1e63],
      [0x1e6c, 0x1e6d],
      [0x1e92, 0x1e93],
    ],
    [0x1e80, 0x1e85],
    [0x1e9e, 0x1e9e],
    [0x1ea0, 0x1ef9],
  ], // Welsh, German, Vietnamese
  0x2000: [
    [0x2000, 0x2030],
    [0x2032, 0x2033],
    [0x2039, 0x203a],
    [0x2044, 0x2044],
    [0x2060, 0x206f],
    [0x20ac, 0x20ac],
  ],
};

const SCRIPTS = "@fontsource/noto-sans";
/** Font files by script, and the code points for which they are asked; each package is named after the script. */
const FACES = {
  arabic: ["U+600-6FF", "U+750-77F", "U+870-8FF", "U+FB50-FDFF", "U+FE70-FEFC"],
  hebrew: ["U+590-5FF", "U+FB1D-FB4F"],
  armenian: ["U+530-58F", "U+FB13-FB17"],
  georgian: ["U+10A0-10FF", "U+1C90-1CBF", "U+2D00-2D2F"],
  devanagari: ["U+900-97F", "U+1CD0-1CFF", "U+A8E0-A8FF"],
  bengali: ["U+980-9FF"],
  gurmukhi: ["U+A00-A7F"],
  gujarati: ["U+A80-AFF"],
  oriya: ["U+B00-B7F"],
  tamil: ["U+B80-BFF"],
  telugu: ["U+C00-C7F"],
  kannada: ["U+C80-CFF"],
  malayalam: ["U+D00-D7F"],
  sinhala: ["U+D80-DFF", "U+111E1-111F4"],
  lao: ["U+E80-EFF"],
  myanmar: ["U+1000-109F", "U+A9E0-A9FF", "U+AA60-AA7F"],
  khmer: ["U+1780-17FF", "U+19E0-19FF"],
  tifinagh: ["U+2D30-2D7F"],
  nko: ["U+7C0-7FF"],
  "canadian-aboriginal": ["U+1400-167F", "U+18B0-18FF"],
  thai: ["U+E00-E7F"],
  ethiopic: ["U+1200-139F", "U+2D80-2DDF", "U+AB00-AB2F"],
  thaana: ["U+780-7BF"],
};

/**
 * Distances from a letter's edge (192; 32 to a pixel of letters 24 pixels high) in few steps, finer near the edge, as far as a
 * halo or a soft edge reaches: the map shows next to no difference, and the files are a quarter as large when packed.
 */
const LEVELS = [68, 112, 148, 172, 192, 210, 232];
const COARSE = Uint8Array.from({ length: 256 }, (_, value) =>
  LEVELS.reduce((best, level) => (Math.abs(level - value) < Math.abs(best - value) ? level : best)),
);
/** In a glyph file: stacks, their glyphs, and a glyph's bitmap (https://github.com/mapbox/node-fontnik/blob/master/proto/glyphs.proto). */
const [STACK, GLYPH, ID, BITMAP] = [1, 3, 1, 2];

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = join(root, "public", "fonts");
const folderOf = (name) => dirname(require.resolve(`${name}/package.json`));
const source = folderOf(PACKAGE);

/** What the output is made from: the same text means that there is nothing to do. */
async function describe() {
  const packages = {};
  for (const name of [PACKAGE, SCRIPTS, ...Object.keys(FACES).map((script) => `${SCRIPTS}-${script}`)])
    packages[name] = JSON.parse(await readFile(join(folderOf(name), "package.json"), "utf8")).version;
  return `${JSON.stringify({ packages, fonts: Object.keys(FONTS), blocks: BLOCKS, common: COMMON, faces: FACES, levels: LEVELS }, null, 2)}\n`;
}

/** The number at a place in Protocol Buffers, and the place after it. */
function readNumber(bytes, at) {
  for (let value = 0, shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return [value, at];
  }
}

/** Fields of a message, all of which are numbers or have a length: number, value or content, and the bytes of all of it. */
function* readFields(bytes) {
  for (let at = 0; at < bytes.length;) {
    const begin = at;
    const [key, start] = readNumber(bytes, at);
    const [value, next] = readNumber(bytes, start);
    const long = key % 8 === 2;
    at = long ? next + value : next;
    yield { number: Math.floor(key / 8), value: long ? bytes.subarray(next, at) : value, whole: bytes.subarray(begin, at) };
  }
}

function writeField(number, content) {
  const head = [number * 8 + 2];
  for (let length = content.length; ; length = Math.floor(length / 128)) {
    head.push(length < 128 ? length : (length % 128) | 128);
    if (length < 128) return Buffer.concat([Buffer.from(head), content]);
  }
}

const isIn = (ranges, codePoint) => !ranges || ranges.some(([first, last]) => first <= codePoint && codePoint <= last);

/** A glyph file with coarser bitmaps, and with the glyphs of some code points alone. */
function thin(file, ranges) {
  const [{ value: stack }] = readFields(file);
  const kept = [...readFields(stack)].filter(({ number, value: glyph }) => {
    if (number !== GLYPH) return true;
    const fields = [...readFields(glyph)];
    for (const { value: bitmap } of fields.filter(({ number }) => number === BITMAP))
      bitmap.forEach((value, index) => (bitmap[index] = COARSE[value]));
    return isIn(ranges, fields.find(({ number }) => number === ID).value);
  });
  return writeField(STACK, Buffer.concat(kept.map(({ whole }) => whole)));
}

/** Code points of the thinned files that are left to `rest.woff2`, as CSS writes ranges. */
function listRest() {
  const hex = (number) => number.toString(16).toUpperCase();
  return Object.entries(COMMON).flatMap(([start, ranges]) => {
    const first = Number(start);
    const edges = ranges.flatMap(([from, to]) => [from - 1, to + 1]);
    const bounds = [first, ...edges, first + SIZE - 1];
    const gaps = Array.from({ length: bounds.length / 2 }, (_, index) => [bounds[2 * index], bounds[2 * index + 1]]);
    return gaps.filter(([from, to]) => from <= to).map(([from, to]) => (from === to ? `U+${hex(from)}` : `U+${hex(from)}-${hex(to)}`));
  });
}

/** Copy the font files, and say which code points are drawn from which. */
async function writeFaces() {
  const faces = [];
  for (const [script, ranges] of Object.entries(FACES)) {
    const folder = folderOf(`${SCRIPTS}-${script}`);
    const name = `noto-sans-${script}`;
    await copyFile(join(folder, "files", `${name}-${script}-400-normal.woff2`), join(target, `${script}.woff2`));
    await copyFile(join(folder, "LICENSE"), join(target, `OFL-${script}.txt`));
    faces.push({ file: `${script}.woff2`, ranges });
  }
  await copyFile(join(folderOf(SCRIPTS), "files", "noto-sans-latin-ext-400-normal.woff2"), join(target, "rest.woff2"));
  faces.push({ file: "rest.woff2", ranges: listRest() });
  await writeFile(join(target, "faces.json"), JSON.stringify(faces));
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
        const glyphs = thin(await range({ font, start, end: start + SIZE - 1 }), COMMON[start]);
        const path = join(target, name, `${start}-${start + SIZE - 1}.pbf`);
        await writeFile(path, glyphs);
        await writeFile(`${path}.br`, await pack(glyphs, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
        files += 1;
      }
    }
  }
  await writeFaces();
  await writeFile(join(target, "OFL.txt"), await readFile(join(source, "LICENSE_FONT")));
  await writeFile(stamp, description); // last, so that a build cut short is done again
  console.log(`glyphs: ${files} files of ${Object.keys(FONTS).length} fonts`);
}

await build();
