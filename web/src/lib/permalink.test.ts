import assert from "node:assert/strict";
import { test } from "node:test";
import { parseState, writeState, type State } from "./permalink.ts";

test("an address is read and written again without loss", () => {
  const state: State = {
    layers: ["crime", "bike-paths"],
    filters: { crime: "category IN ('a&b','50% + x') AND height >= 2", trees: "species = '#1'" },
    base: "dark",
    camera: { zoom: 13.25, lat: 45.2, lon: -28.6 },
    language: "de",
  };
  const url = new URL(writeState(state), "http://map.example");
  assert.deepEqual(parseState(url.search, url.hash), state);
});

test("no layers at all is not the same as the catalogue's choice", () => {
  assert.deepEqual(parseState("?layers=", "").layers, []);
  assert.equal(parseState("", "").layers, null);
  assert.equal(writeState({ ...parseState("?layers=", "") }), "/?layers=");
});

for (const hash of ["", "#", "#1/2", "#a/b/c", "#10/91/0", "#10/0/181", "#10/0/0/0", "#NaN/1/1"]) {
  test(`a camera that makes no sense is left out: "${hash}"`, () => assert.equal(parseState("", hash).camera, null));
}

test("a base that is not known is left out", () => assert.equal(parseState("?base=purple", "").base, null));
