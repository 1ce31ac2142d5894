import assert from "node:assert/strict";
import { test } from "node:test";
import { parseArea, writeArea, type Position } from "../filter/question.ts";
import { circleRing, distance, ringOf, simplify, toArea, toCircle } from "./shapes.ts";

const HERE: Position = [-28.6, 45.2];

test("a circle is as far from its middle everywhere, and closed", () => {
  for (const radius of [100, 500, 5000]) {
    const ring = circleRing(HERE, radius);
    assert.deepEqual(ring[0], ring.at(-1));
    for (const corner of ring) assert.ok(Math.abs(distance(HERE, corner) / radius - 1) < 0.001);
  }
});

test("distances are those of the ellipsoid", () => {
  // PostGIS: ST_Distance of geographies.
  assert.ok(Math.abs(distance([-28.6, 45.2], [-28.59, 45.2]) - 785.8) < 0.3);
  assert.ok(Math.abs(distance([-28.6, 45.2], [-28.6, 45.21]) - 1111.4) < 0.3);
});

test("what was drawn becomes an area of its kind", () => {
  assert.deepEqual(toArea("circle", circleRing(HERE, 750, 64)), { kind: "circle", at: HERE, radius: 750 });
  const box = ringOf({ kind: "box", bounds: [1, 2, 3, 4] })!;
  assert.deepEqual(toArea("rectangle", box), { kind: "box", bounds: [1, 2, 3, 4] });
  assert.deepEqual(toArea("polygon", [...box.slice(0, 3), box[0]!]), {
    kind: "polygon",
    ring: [
      [1, 2],
      [3, 2],
      [3, 4],
    ],
  });
});

test("what holds nothing is no area", () => {
  const flat: Position[] = [
    [1, 2],
    [3, 2],
    [1, 2],
  ];
  for (const kind of ["polygon", "rectangle", "circle"] as const) assert.equal(toArea(kind, flat), null);
});

test("of many corners those stay that make the shape", () => {
  const many = circleRing(HERE, 1000, 400).slice(0, -1);
  const few = simplify(many, 100);
  assert.equal(few.length, 100);
  const far = few.map((corner, at) => distance(corner, few[(at + 1) % few.length]!));
  assert.ok(Math.max(...far) < 10 * Math.min(...far), String(far));
  assert.deepEqual(simplify([HERE, HERE, [1, 2], [3, 4]], 100), [HERE, [1, 2], [3, 4]]);
});

test("a circle that is drawn beyond the antimeridian lies on its other side", () => {
  assert.deepEqual(toCircle([180.25, -16], 500), { kind: "circle", at: [-179.75, -16], radius: 500 });
  assert.deepEqual(toCircle([-180.25, -16], 500), { kind: "circle", at: [179.75, -16], radius: 500 });
  assert.deepEqual(toCircle([180, -16], 500), { kind: "circle", at: [180, -16], radius: 500 });
});

test("a shape that is drawn beyond the antimeridian lies on its other side, and comes back from its address", () => {
  const box = (west: number, east: number): Position[] => ringOf({ kind: "box", bounds: [west, 10, east, 11] })!;
  const bounds = (west: number, east: number): unknown => {
    const area = toArea("rectangle", box(west, east))!;
    assert.deepEqual(parseArea(writeArea(area)), area);
    return area.kind === "box" && area.bounds;
  };
  assert.deepEqual(bounds(181, 182), [-179, 10, -178, 11]);
  assert.deepEqual(bounds(-361, -359), [-1, 10, 1, 11]);
  // Across it, and around the whole world.
  assert.deepEqual(bounds(179, 181), [179, 10, -179, 11]);
  assert.deepEqual(ringOf({ kind: "box", bounds: [179, 10, -179, 11] }), box(179, 181));
  assert.deepEqual(bounds(-250, 130), [-180, 10, 180, 11]);
  const corners = (west: number, east: number): unknown => {
    const area = toArea("polygon", box(west, east))!;
    assert.deepEqual(parseArea(writeArea(area)), area);
    return area.kind === "polygon" && area.ring.map(([lon]) => lon);
  };
  assert.deepEqual(corners(181, 182), [-179, -178, -178, -179]);
  // One polygon cannot be on both sides: what is beyond is cut off.
  assert.deepEqual(corners(178, 181), [178, 180, 180, 178]);
});
