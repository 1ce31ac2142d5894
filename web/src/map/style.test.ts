import assert from "node:assert/strict";
import { test } from "node:test";
import type { TileJson } from "../query/types.ts";
import type { Scene } from "../state/knowledge.svelte.ts";
import { buildStyle, isOutlined } from "./style.ts";

const tileJson = (id: string): TileJson =>
  ({
    tiles: [`/tiles/${id}/{z}/{x}/{y}.mvt?filter=a`],
    minzoom: 0,
    maxzoom: 16,
    bounds: [0, 0, 1, 1],
    attribution: "<b>A & B</b>",
  }) as unknown as TileJson;

const SOURCES = {
  base: { type: "vector", tiles: ["/tiles/land/{z}/{x}/{y}.mvt"] },
  crime: { type: "vector", url: "/tiles/crime.json", minzoom: 13 },
  trees: { type: "vector", url: "/tiles/trees.json" },
};

function scene(tiles: Record<string, TileJson>): Scene {
  const layers = Object.keys(SOURCES).map((source) => ({ id: source, type: "fill", source, "source-layer": source }));
  return { base: "light", style: { version: 8, sources: SOURCES, layers }, tiles, versions: {}, behind: {}, failed: [] };
}

test("the source of a layer has the tiles of its filter, within its zooms", () => {
  const { sources } = buildStyle(scene({ crime: tileJson("crime"), trees: tileJson("trees") }), null);
  const { crime, trees } = sources as Record<string, { tiles: string[]; minzoom: number; maxzoom: number; attribution: string }>;
  assert.deepEqual(crime!.tiles, tileJson("crime").tiles);
  assert.deepEqual([crime!.minzoom, crime!.maxzoom], [13, 16]);
  assert.deepEqual([trees!.minzoom, trees!.maxzoom], [0, 16]);
  assert.equal("url" in crime!, false);
  assert.equal(crime!.attribution, "&#60;b&#62;A &#38; B&#60;/b&#62;");
});

test("what has no tiles is not drawn, and the rest is", () => {
  const { sources, layers } = buildStyle(scene({ trees: tileJson("trees") }), null);
  assert.deepEqual(Object.keys(sources).sort(), ["base", "selection", "trees"]);
  assert.deepEqual(
    layers.filter(({ id }) => !id.startsWith("selection")).map(({ id }) => id),
    ["base", "trees"],
  );
});

test("what is selected is marked above everything", () => {
  const { sources, layers } = buildStyle(scene({}), { type: "Point", coordinates: [1, 2] });
  assert.deepEqual((sources["selection"] as { data: GeoJSON.Feature }).data.geometry, { type: "Point", coordinates: [1, 2] });
  assert.match(layers.at(-1)!.id, /^selection/);
});

test("a layer whose areas are outlined is known by the style", () => {
  const style = { metadata: { "geoserver:outlined": ["wards"] } };
  assert.equal(isOutlined(style, "wards"), true);
  assert.equal(isOutlined(style, "crime"), false);
  assert.equal(isOutlined({ metadata: {} }, "wards"), false);
  assert.equal(isOutlined({}, "wards"), false);
  assert.equal(isOutlined(undefined, "wards"), false);
});
