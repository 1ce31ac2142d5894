import assert from "node:assert/strict";
import { test } from "node:test";
import { holdsPoint, regionsOf, touches } from "./places.ts";

const square = regionsOf({
  kind: "polygons",
  polygons: [
    [
      [
        [0, 0],
        [4, 0],
        [4, 4],
        [0, 4],
        [0, 0],
      ],
      [
        [1, 1],
        [3, 1],
        [3, 3],
        [1, 3],
        [1, 1],
      ],
    ],
  ],
})[0]!;

test("edges and corners belong to a polygon, and its hole does not", () => {
  for (const [x, y] of [
    [0, 0],
    [2, 0],
    [4, 2],
    [0.5, 0.5],
    [1, 2],
    [3, 3],
  ] as const)
    assert.ok(holdsPoint(square, x, y), `${x} ${y}`);
  for (const [x, y] of [
    [2, 2],
    [5, 2],
    [-1, 0],
    [4.0001, 4],
  ] as const)
    assert.ok(!holdsPoint(square, x, y), `${x} ${y}`);
});

test("a line touches where it only passes through, and not where it lies in the hole", () => {
  const line = (...coordinates: number[][]): GeoJSON.LineString => ({ type: "LineString", coordinates });
  assert.ok(touches(square, line([-1, 2], [5, 2])));
  assert.ok(touches(square, line([-1, 5], [5, -1])));
  assert.ok(!touches(square, line([1.5, 1.5], [2.5, 2.5])));
  assert.ok(!touches(square, line([-1, 5], [5, 5])));
});

test("an area touches another one that it holds, and one that holds it", () => {
  const ring = (from: number, to: number): GeoJSON.Polygon => ({
    type: "Polygon",
    coordinates: [
      [
        [from, from],
        [to, from],
        [to, to],
        [from, to],
        [from, from],
      ],
    ],
  });
  assert.ok(touches(square, ring(-1, 9)));
  assert.ok(touches(square, ring(0.2, 0.4)));
  assert.ok(!touches(square, ring(1.5, 2.5)));
  assert.ok(!touches(square, ring(5, 6)));
});

test("a box over the antimeridian is two, and so is a circle", () => {
  const held = (lon: number, regions: ReturnType<typeof regionsOf>): boolean => regions.some((region) => holdsPoint(region, lon, 0));
  const box = regionsOf({ kind: "box", bounds: [170, -1, -170, 1] });
  const circle = regionsOf({ kind: "circle", at: [179.9, 0], radius: 50_000 });
  assert.deepEqual(
    [175, -175, 0].map((lon) => held(lon, box)),
    [true, true, false],
  );
  assert.deepEqual(
    [179.6, -179.8, -179].map((lon) => held(lon, circle)),
    [true, true, false],
  );
});

test("a polygon that crosses itself, or is open, is refused", () => {
  const refused = (ring: [number, number][]): void => assert.throws(() => regionsOf({ kind: "polygons", polygons: [[ring]] }), /POLYGON/);
  refused([
    [0, 0],
    [1, 1],
    [1, 0],
    [0, 1],
    [0, 0],
  ]);
  refused([
    [0, 0],
    [1, 1],
    [1, 0],
  ]);
});
