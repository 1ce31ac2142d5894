import assert from "node:assert/strict";
import { test } from "node:test";
import { keyOf, shownAt, tally, zoomInto, type Bin } from "./bins.ts";

const bin = (properties: Bin["properties"], west = 0, width = 0.01): Bin => ({
  layer: "crime",
  properties,
  bounds: [west, 45, west + width, 45.01],
});
const SQUARES = [
  bin({ count: 9, "category:theft": 4, "category:fraud": 3, "category:*": 2, "other:a": 5, first: "2021-03-01", last: "2021-04-01" }),
  bin({ count: 21, "category:theft": 1, "category:arson": 20, first: "2020-01-01", last: "2021-03-31" }, 0.01),
  bin({ count: 1 }, 0.02),
];

test("bins together say the sum of what each says, with the rest at the end", () => {
  const all = tally(SQUARES, "category");
  assert.equal(all.count, 31);
  assert.deepEqual(
    all.values.map(({ value, count }) => [value, count]),
    [
      ["arson", 20],
      ["theft", 5],
      ["fraud", 3],
      ["*", 2],
    ],
  );
  assert.deepEqual([all.first, all.last], ["2020-01-01", "2021-04-01"]);
  assert.deepEqual([all.length, all.area], [0, 0]);
});

test("no bins, or no facet, is no counts by value", () => {
  assert.deepEqual(tally([], "category"), { count: 0, values: [], first: null, last: null, length: 0, area: 0 });
  assert.deepEqual(tally(SQUARES, null).values, []);
  assert.equal(tally([bin({ count: 2, length: 1.5 }), bin({ count: 1, length: 2 })], null).length, 3.5);
});

test("points are bins below the switch and points from it on, never both, unless there are bins", () => {
  const at = (zoom: number, some = false): boolean[] => Object.values(shownAt("points", 13, zoom, some));
  assert.deepEqual(
    [at(12.99), at(13)],
    [
      [false, true],
      [true, false],
    ],
  );
  assert.deepEqual(at(15, true), [true, true]);
});

test("lines and areas are features at every zoom, and bins where there are some", () => {
  const at = (zoom: number | null, some: boolean): boolean[] => Object.values(shownAt("polygons", 13, zoom, some));
  assert.deepEqual(
    [at(9, false), at(9, true), at(null, false)],
    [
      [true, false],
      [true, true],
      [true, false],
    ],
  );
  assert.deepEqual(Object.values(shownAt("points", 0, 0.2, false)), [true, false]);
});

test("looking into a bin stops where each feature is to be seen, and goes in at any rate", () => {
  const wide = 360 / 2 ** 15;
  assert.deepEqual(zoomInto(bin({}, 0, wide), 13, 9), { zoom: 14, each: true });
  assert.deepEqual(zoomInto(bin({}, 0, wide), 15, 9), { zoom: 15, each: true });
  assert.deepEqual(zoomInto(bin({}, 0, wide * 8), 13, 6), { zoom: 12, each: false });
  assert.equal(zoomInto(bin({}, 0, wide), 13, 14.5).zoom, 15.5);
});

test("a bin is the same from whichever moment it was read, and another from another zoom", () => {
  assert.equal(keyOf(bin({ count: 1 })), keyOf(bin({ count: 2 }, 1e-9)));
  assert.notEqual(keyOf(bin({}, 0, 0.01)), keyOf(bin({}, 0, 0.02)));
});
