import assert from "node:assert/strict";
import { test } from "node:test";
import { downloads as german } from "../messages/de.ts";
import { downloads as english } from "../messages/en.ts";
import { downloads as spanish } from "../messages/es.ts";
import { downloads as french } from "../messages/fr.ts";
import { downloads as portuguese } from "../messages/pt.ts";
import { estimateBytes, groupOffers, type Download } from "./formats.ts";
import { formatBytes } from "./bytes.ts";

const make = (format: string, of: Download["of"] = "features"): Download =>
  ({ format, of, title: format, bytes: 1, limits: [], lonlat: false }) as unknown as Download;
const THERE = ["csv", "xlsx", "geojson", "gpkg", "zarr", "readme.txt"].map((format) => make(format));

test("what most people can open comes first, and a format that is not known here is one for experts", () => {
  const { everyone, experts } = groupOffers([...THERE, make("csv", "readings")], "features");
  assert.deepEqual(
    everyone.map(({ format, plain }) => [format, plain]),
    [
      ["xlsx", false],
      ["csv", false],
    ],
  );
  assert.deepEqual(
    experts.map(({ format }) => format),
    ["gpkg", "geojson", "csv", "zarr"],
  );
  assert.ok(experts.every(({ plain }) => plain));
});

test("a size is estimated by the share of rows, and of nothing nothing is said", () => {
  assert.equal(estimateBytes(6_300_000, 1, 10), 630_000);
  assert.equal(estimateBytes(0, 5, 10), null);
  assert.equal(estimateBytes(100, 0, 0), null);
});

test("bytes are told as a language tells them", () => {
  const told = (locale: string, bytes: number): string => formatBytes({ locale }, bytes).replace(/\s/g, " ");
  assert.deepEqual(
    [0, 999, 1000, 6_349_000, 2.5e9].map((bytes) => told("en", bytes)),
    ["0 bytes", "1,000 bytes", "1 kB", "6.3 MB", "2.5 GB"],
  );
  assert.equal(told("fr", 6_349_000), "6,3 Mo");
});

test("each language has every line about files, with the same places for values", () => {
  const places = (table: Record<string, string>): [string, string[]][] =>
    Object.entries(table).map(([key, text]) => [key, [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).sort()]);
  for (const table of [german, spanish, french, portuguese]) assert.deepEqual(places(table), places(english));
});
