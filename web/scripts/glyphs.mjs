/**
 * Draws the letters of the map: an OFL font from npm -> signed-distance glyphs, one file per 256 code points.
 * Output: public/fonts/<font>/<first>-<last>.pbf, the font's licence beside them, and fonts.json that lists them.
 */
import { createRequire } from "node:module";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

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

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = join(root, "public", "fonts");
const source = dirname(require.resolve(`${PACKAGE}/package.json`));

/** What the output is made from: the same text means that there is nothing to do. */
async function describe() {
  const { version } = JSON.parse(await readFile(join(source, "package.json"), "utf8"));
  return `${JSON.stringify({ package: PACKAGE, version, fonts: Object.keys(FONTS), blocks: BLOCKS }, null, 2)}\n`;
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
        await writeFile(join(target, name, `${start}-${start + SIZE - 1}.pbf`), glyphs);
        files += 1;
      }
    }
  }
  await writeFile(join(target, "OFL.txt"), await readFile(join(source, "LICENSE_FONT")));
  await writeFile(stamp, description); // last, so that a build cut short is done again
  console.log(`glyphs: ${files} files of ${Object.keys(FONTS).length} fonts`);
}

await build();
