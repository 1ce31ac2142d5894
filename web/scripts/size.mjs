// Fails when the viewer's own JavaScript on a first visit, MapLibre left out, is larger than its budget when packed by brotli:
// what the page names in its head, what that imports, and the largest language.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { brotliCompressSync } from "node:zlib";

const BUDGET = 50_000;
/** All that is ever fetched of ours, tabs and every language. */
const WHOLE = 250_000;
/** `<city-map>`, which pages of others load. */
const ELEMENT = 4_000;
const folder = new URL("../dist/", import.meta.url);
const read = (name) => readFileSync(new URL(name, folder), "utf8");
const size = (name) => (existsSync(new URL(`${name}.br`, folder)) ? readFileSync(new URL(`${name}.br`, folder)) : read(name)).length;

const first = new Set();
function add(name) {
  if (first.has(name)) return;
  first.add(name);
  for (const [, other] of read(name).matchAll(/(?:import|from)\s*"\.\/([\w.-]+\.js)"/g)) add(`assets/${other}`);
}
for (const [, name] of read("index.html").matchAll(/(?:src|href)="\.\/(assets\/[^"]+\.js)"/g)) add(name);

const isForeign = (name) => /assets\/(?:maplibre|map-worker)/.test(name);
const languages = readdirSync(new URL("assets/", folder)).filter(
  (name) => /^[a-z]{2,3}-.*\.js$/.test(name) && read(`assets/${name}`).includes("skipToMap"),
);
const language = Math.max(0, ...languages.map((name) => size(`assets/${name}`)));
let own = language;
for (const name of first) {
  if (!isForeign(name)) own += size(name);
  console.log(`${String(size(name)).padStart(8)}  ${name}${isForeign(name) ? "  (MapLibre)" : ""}`);
}
console.log(`${String(language).padStart(8)}  the largest language`);
console.log(`${String(own).padStart(8)}  own JavaScript of a first visit, packed; budget ${BUDGET}`);
const whole = readdirSync(new URL("assets/", folder))
  .filter((name) => name.endsWith(".js") && !isForeign(`assets/${name}`))
  .reduce((sum, name) => sum + size(`assets/${name}`), 0);
console.log(`${String(whole).padStart(8)}  all of our own JavaScript; budget ${WHOLE}`);
const element = brotliCompressSync(read("element.js")).length;
console.log(`${String(element).padStart(8)}  the element for pages of others; budget ${ELEMENT}`);
if (own > BUDGET || whole > WHOLE || element > ELEMENT) process.exit(1);
