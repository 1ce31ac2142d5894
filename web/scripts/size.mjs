// Fails when our own JavaScript, MapLibre left out, is larger than its budget when packed by brotli: on a first visit what a page
// names in its head, what that imports, and the largest language; and all that it may ever fetch, tabs and every language.
import { existsSync, readFileSync } from "node:fs";
import { brotliCompressSync } from "node:zlib";

const BUDGETS = { "index.html": { first: 50_000, whole: 250_000 }, "embed.html": { first: 40_000, whole: 215_000 } };
/** `<city-map>`, which pages of others load. */
const ELEMENT = 4_000;
const folder = new URL("../dist/", import.meta.url);
const read = (name) => readFileSync(new URL(name, folder), "utf8");
const size = (name) => (existsSync(new URL(`${name}.br`, folder)) ? readFileSync(new URL(`${name}.br`, folder)) : read(name)).length;
const isForeign = (name) => /assets\/(?:maplibre|map-worker)/.test(name);

function reach(name, imports, found = new Set()) {
  if (found.has(name)) return found;
  found.add(name);
  for (const [, other] of read(name).matchAll(imports))
    if (existsSync(new URL(`assets/${other}`, folder))) reach(`assets/${other}`, imports, found);
  return found;
}
const AT_ONCE = /(?:import|from)\s*"\.\/([\w.-]+\.js)"/g;
const EVER = /["'`/]([\w.-]+\.js)["'`]/g;

let over = false;
for (const [page, budget] of Object.entries(BUDGETS)) {
  const named = [...read(page).matchAll(/(?:src|href)="\.\/(assets\/[^"]+\.js)"/g)].map(([, name]) => name);
  const [first, whole] = [AT_ONCE, EVER].map((imports) => new Set(named.flatMap((name) => [...reach(name, imports)])));
  const languages = [...whole].filter((name) => /^assets\/[a-z]{2,3}-/.test(name) && read(name).includes("skipToMap"));
  const language = Math.max(0, ...languages.map(size));
  const sum = (names) => [...names].filter((name) => !isForeign(name)).reduce((total, name) => total + size(name), 0);
  for (const name of first) console.log(`${String(size(name)).padStart(8)}  ${name}${isForeign(name) ? "  (MapLibre)" : ""}`);
  const [own, all] = [sum(first) + language, sum(whole)];
  console.log(`${String(language).padStart(8)}  the largest language`);
  console.log(`${String(own).padStart(8)}  own JavaScript of a first visit of ${page}, packed; budget ${budget.first}`);
  console.log(`${String(all).padStart(8)}  all of its own JavaScript; budget ${budget.whole}`);
  over ||= own > budget.first || all > budget.whole;
}
const element = brotliCompressSync(read("element.js")).length;
console.log(`${String(element).padStart(8)}  the element for pages of others; budget ${ELEMENT}`);
if (over || element > ELEMENT) process.exit(1);
