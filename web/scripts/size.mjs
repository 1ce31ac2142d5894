// Fails when the viewer's own JavaScript on a first visit, MapLibre left out, is larger than its budget after compression.
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const BUDGET = 60_000;
const folder = new URL("../dist/assets/", import.meta.url);
const languages = [];
let own = 0;
for (const name of readdirSync(folder).filter((entry) => entry.endsWith(".js"))) {
  const bytes = gzipSync(readFileSync(new URL(name, folder)), { level: 9 }).length;
  const foreign = name.startsWith("maplibre");
  const language = /^[a-z]{2}-/.test(name);
  if (language) languages.push(bytes);
  else if (!foreign) own += bytes;
  console.log(`${String(bytes).padStart(8)}  ${name}${foreign ? "  (MapLibre)" : language ? "  (a language)" : ""}`);
}
own += Math.max(0, ...languages);
console.log(`${String(own).padStart(8)}  own JavaScript of a first visit, compressed; budget ${BUDGET}`);
if (own > BUDGET) process.exit(1);
