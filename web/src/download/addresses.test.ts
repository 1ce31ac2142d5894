import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { encodeSafely, nameOfFile, writeAddress, type Wish } from "./addresses.ts";

/** What people and their data put into filters. */
export const HOSTILE = [
  "it''s",
  'a "quoted" word',
  "$HOME ${PATH} $(id) `id`",
  "back\\slash %s %20 100%",
  "line\nbreak\r\tand tab",
  "🌳 Šķūņu ‏عربي‎",
  "a&b=c#d?e+f;g|h<i>j",
  "!! {a,b} [1-3] *~^",
  "' OR 1=1 --",
];

const WISH: Wish = { layer: "crime", of: "features", format: "csv", filter: "" };

test("an address holds no sign that means something to a shell or ends a string, and says what was asked", () => {
  for (const text of HOSTILE) {
    const filter = `name = '${text}'`;
    const address = writeAddress({ ...WISH, filter, fields: ["name", "größe"], crs: "EPSG:3857", lang: "fr" });
    assert.match(address, /^[\w\-.~%?&=,:/]+$/);
    const asked = new URL(address, "http://map.example/maps/").searchParams;
    assert.deepEqual(Object.fromEntries(asked), { filter, fields: "name,größe", crs: "EPSG:3857", lang: "fr" });
  }
});

test("a shell, Python and a search for formats in a text hand an address on as it is", () => {
  const address = `http://map.example/${writeAddress({ ...WISH, filter: HOSTILE.join(" ") })}`;
  assert.equal(execFileSync("sh", ["-c", `printf %s "${address}"`], { encoding: "utf8" }), address);
  assert.equal(execFileSync("sh", ["-c", `printf %s '${address}'`], { encoding: "utf8" }), address);
  assert.equal(execFileSync("python3", ["-c", `print("${address}", end="")`], { encoding: "utf8" }), address);
});

test("what is not asked is not in the address, and no fields at all are something that is asked", () => {
  assert.equal(writeAddress(WISH), "download/crime.csv");
  assert.equal(writeAddress({ ...WISH, fields: [] }), "download/crime.csv?fields=");
  const readings: Wish = { layer: "air", of: "readings", format: "parquet", filter: "", datetime: "2024-01-01/.." };
  assert.equal(writeAddress(readings), "download/air.readings.parquet?datetime=2024-01-01/..");
  assert.equal(nameOfFile(readings), "air.readings.parquet");
});

test("half a letter is written as the sign for what cannot be", () => {
  assert.equal(decodeURIComponent(encodeSafely("a\ud83cb")), "a\ufffdb");
});
