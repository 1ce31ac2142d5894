import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { writeLines, type Source } from "./lines.ts";

const FILTER = "name IN ('it''s \"$HOME\" `id`\n🌳', '100% $(id)') AND S_INTERSECTS(geometry,BBOX(1,2,3,4))";
const SOURCE: Source = {
  root: "https://city.example/maps/",
  layer: "bike-paths",
  formats: ["csv", "geojson", "gpkg", "fgb", "parquet"],
  readings: [],
  wish: { filter: FILTER, crs: "EPSG:3857", fields: ["name"] },
  during: { filter: "" },
  restricted: false,
};
const lineFor = (tool: string, source: Partial<Source> = {}): string =>
  writeLines({ ...SOURCE, ...source }).find((line) => line.tool.startsWith(tool))!.code;

/** What a shell makes of a line: the program's own arguments. */
const argumentsOf = (code: string): string[] =>
  execFileSync("sh", ["-c", `show() { printf '%s\\0' "$@"; }\n${code.replace(/^\w+/gm, "show")}`], { encoding: "utf8" })
    .split("\0")
    .slice(0, -1);

test("each line asks for the very selection, whatever its texts hold", () => {
  const lines = writeLines(SOURCE);
  assert.deepEqual(
    lines.map(({ tool }) => tool),
    ["curl", "Python (geopandas)", "R (sf)", "QGIS", "ogr2ogr", "DuckDB"],
  );
  for (const { code } of lines) {
    const [found] = /https:[^"\s]+/.exec(code)!;
    const { pathname, searchParams } = new URL(found);
    assert.match(pathname, /^\/maps\/download\/bike-paths\.(csv|fgb|gpkg|geojson|parquet)$/);
    assert.equal(searchParams.get("filter"), FILTER);
    // GeoJSON is longitude and latitude alone.
    assert.equal(searchParams.get("crs"), pathname.endsWith("geojson") ? null : "EPSG:3857");
    assert.equal(searchParams.get("fields"), "name");
  }
});

test("a shell takes the lines apart as they are meant", () => {
  const curl = argumentsOf(lineFor("curl"));
  assert.deepEqual(curl.slice(0, 3), ["--fail", "-o", "bike-paths.csv"]);
  assert.equal(new URL(curl[3]!).searchParams.get("filter"), FILTER);
  assert.equal(curl.length, 4);
  const [file, source] = argumentsOf(lineFor("ogr2ogr"));
  assert.equal(file, "bike-paths.gpkg");
  assert.ok(source!.startsWith("/vsicurl_streaming/https://city.example/maps/download/bike-paths.fgb?"));
  assert.deepEqual(argumentsOf(lineFor("DuckDB")).slice(4), ["-c", "SELECT * FROM 'bike-paths.parquet' LIMIT 10"]);
});

test("of a layer that not everybody sees each line has a place for the key", () => {
  for (const { tool, code } of writeLines({ ...SOURCE, restricted: true })) assert.match(code, /YOUR_KEY/, tool);
  for (const { tool, code } of writeLines(SOURCE)) assert.doesNotMatch(code, /KEY/, tool);
});

test("only programs for which there is a format get a line, and readings have one of their own", () => {
  const source = { formats: ["csv"], readings: ["csv"], during: { filter: "a = 1", datetime: "2024-01-01/.." } };
  assert.deepEqual(
    writeLines({ ...SOURCE, ...source }).map(({ tool }) => tool),
    ["curl", "Python (pandas)"],
  );
  assert.match(lineFor("Python (pandas)", source), /bike-paths\.readings\.csv\?filter=a%20%3D%201&datetime=2024-01-01\/\.\."\)$/);
});
