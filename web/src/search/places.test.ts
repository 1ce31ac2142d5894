import assert from "node:assert/strict";
import test from "node:test";
import type { Place } from "../query/types.ts";
import { lookAt } from "./places.ts";

const place = (changes: Partial<Place>): Place => ({
  title: "Main Street",
  near: null,
  kind: "primary",
  layer: "streets",
  id: 1,
  at: [25.001, 60.001],
  bounds: [25, 60, 25.01, 60.002],
  ...changes,
});

test("a street is seen from end to end, and a longer one from further away", () => {
  const short = lookAt(place({}));
  assert.deepEqual([short.lon.toFixed(6), short.lat.toFixed(6)], ["25.005000", "60.001000"]);
  const long = lookAt(place({ bounds: [25, 60, 25.16, 60.002] }));
  assert.ok(Math.abs(short.zoom - long.zoom - 4) < 0.11);
  assert.ok(lookAt(place({ bounds: [25, 60, 25.00001, 60] })).zoom <= 16);
});

test("a house is seen from nearer than a city", () => {
  const bounds = [25.001, 60.001, 25.001, 60.001];
  const house = lookAt(place({ kind: "address", bounds }));
  assert.deepEqual([house.lon, house.lat], [25.001, 60.001]);
  assert.ok(house.zoom > lookAt(place({ kind: "hospital", bounds })).zoom);
  assert.ok(lookAt(place({ kind: "hospital", bounds })).zoom > lookAt(place({ kind: "city", bounds })).zoom);
});
