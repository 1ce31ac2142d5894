import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bounds, LayerSummary } from "../query/types.ts";
import { findCity } from "./extent.ts";

const layer = (bounds: Bounds | null, basemap = false): LayerSummary => ({ bounds, basemap }) as LayerSummary;
const CITY: Bounds = [-28.7, 45.1, -28.5, 45.3];
const STRETCHED: Bounds = [-28.7, -28.6, 45.2, 45.3];

test("the basemap says where the city is", () => {
  assert.deepEqual(findCity([layer(STRETCHED), layer(CITY, true)]), CITY);
});

test("a layer with misplaced rows does not show half the world", () => {
  assert.deepEqual(findCity([layer(CITY), layer(STRETCHED), layer([-28.65, 45.15, -28.55, 45.25])]), CITY);
});

test("a single layer, a single point and no place at all have an answer", () => {
  assert.deepEqual(findCity([layer(STRETCHED)]), STRETCHED);
  assert.deepEqual(findCity([layer([1, 2, 1, 2])]), [1, 2, 1, 2]);
  assert.equal(findCity([layer(null)]), null);
});
