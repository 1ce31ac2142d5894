import assert from "node:assert/strict";
import { test } from "node:test";
import type { StyleSpecification } from "maplibre-gl";
import { findView, listLetters, listTiles, type View } from "./ahead.ts";

const PHONE = { width: 390, height: 844, padding: { top: 24, right: 24, bottom: 24, left: 24 }, covered: 0 };
const ISLAND: [number, number, number, number] = [-28.7094, 45.154, -28.4903, 45.2568];
const view = (zoom: number, lat = 45.2, lon = -28.6): View => ({ ...PHONE, camera: { zoom, lat, lon }, bounds: null });

const tiles = (name: string): string[] => [`http://map.example/tiles/${name}/{z}/{x}/{y}.mvt`];
const STYLE = {
  version: 8,
  glyphs: "http://map.example/fonts/{fontstack}/{range}.pbf",
  sources: {
    base: { type: "vector", tiles: tiles("base"), bounds: ISLAND, maxzoom: 16 },
    near: { type: "vector", tiles: tiles("near"), bounds: ISLAND, minzoom: 14, maxzoom: 16 },
    far: { type: "vector", tiles: tiles("far"), bounds: ISLAND, maxzoom: 14 },
    idle: { type: "vector", tiles: tiles("idle") },
  },
  layers: [
    { id: "a", type: "fill", source: "base", "source-layer": "x" },
    { id: "b", type: "circle", source: "near", "source-layer": "x" },
    { id: "c", type: "fill", source: "far", "source-layer": "x", maxzoom: 15 },
    { id: "d", type: "fill", source: "idle", "source-layer": "x", layout: { visibility: "none" } },
    { id: "e", type: "symbol", source: "base", "source-layer": "x", minzoom: 12, layout: { "text-font": ["Noto Sans Medium"] } },
    { id: "f", type: "symbol", source: "base", "source-layer": "x", layout: { "text-font": ["Noto Sans Italic"] } },
  ],
} as unknown as StyleSpecification;

const names = (addresses: string[]): string[] => addresses.map((address) => address.replace(/.*tiles\/(.*)\.mvt/, "$1"));

test("a city that is fitted into a phone is seen between its margins", () => {
  const seen = findView({ ...PHONE, camera: null, bounds: ISLAND })!;
  const world = 512 * 2 ** seen.zoom;
  assert.ok(Math.abs(((ISLAND[2] - ISLAND[0]) / 360) * world - (390 - 48)) < 1e-6);
  assert.ok(Math.abs((seen.to[0] - seen.from[0]) * world - 390) < 1e-6);
});

test("tiles are those of the sources that are drawn at this zoom, within their bounds", () => {
  assert.deepEqual(names(listTiles(STYLE, { ...PHONE, camera: null, bounds: ISLAND })), ["base/10/430/367", "far/10/430/367"]);
  // Beyond its last zoom a source's tiles are enlarged.
  assert.deepEqual(names(listTiles(STYLE, view(18.5))), ["base/16/27561/23523", "near/16/27561/23523"]);
  assert.deepEqual(names(listTiles(STYLE, view(14.5))).sort(), [
    "base/14/6890/5880",
    "base/14/6890/5881",
    "far/14/6890/5880",
    "far/14/6890/5881",
    "near/14/6890/5880",
    "near/14/6890/5881",
  ]);
  assert.deepEqual(listTiles(STYLE, view(12, 10, 10)), []);
  assert.deepEqual(listTiles(STYLE, { ...PHONE, camera: null, bounds: null }), []);
});

test("letters are those of the labels at this zoom", () => {
  const letters = (zoom: number): string[] => listLetters(STYLE, view(zoom)).map((address) => address.split("/").at(-2)!);
  assert.deepEqual(letters(10), ["Noto%20Sans%20Italic"]);
  assert.deepEqual(letters(13), ["Noto%20Sans%20Medium", "Noto%20Sans%20Italic"]);
});
