import assert from "node:assert/strict";
import { test } from "node:test";
import { binClasses } from "./bins.ts";

const few = ["step", ["get", "count"], "#aaaaaa", 2, "#555555", 5, "#000000"];
const many = ["step", ["get", "count"], "#aaaaaa", 20, "#555555", 50, "#000000"];
const style = (color: unknown, framed = false): Record<string, unknown> => {
  const metadata = { "geoserver:marks": { framed, few: 0.3, many: 0.9 } };
  return { layers: [{ id: "crime:bins" }, { id: "crime:bins-marks", paint: { "line-color": color }, metadata }] };
};
const ranges = (zoom: number): unknown[] =>
  binClasses(style(["step", ["zoom"], many, 13, few]), "crime", zoom)!.entries.map(({ from, to, color }) => [from, to, color]);

test("the classes of bins are those of the zoom", () => {
  assert.deepEqual(ranges(12.9)[1], [20, 49, "#555555"]);
  assert.deepEqual(ranges(13), [
    [1, 1, "#aaaaaa"],
    [2, 4, "#555555"],
    [5, null, "#000000"],
  ]);
});

test("one set of classes holds at every zoom, and marks are as the style says", () => {
  assert.deepEqual(binClasses(style(few), "crime", 3)!.marks, { framed: false, few: 0.3, many: 0.9 });
  assert.equal(binClasses(style(few, true), "crime", 3)!.marks!.framed, true);
});

test("filled bins tell theirs, too", () => {
  const filled = { layers: [{ id: "crime:bins", paint: { "fill-color": ["step", ["zoom"], many, 13, few] } }] };
  const { marks, entries } = binClasses(filled, "crime", 8)!;
  assert.deepEqual(
    [marks, entries.map(({ kind, from }) => [kind, from])],
    [
      null,
      [
        ["fill", 1],
        ["fill", 20],
        ["fill", 50],
      ],
    ],
  );
});

test("without steps of the count the layer's own legend holds", () => {
  assert.equal(binClasses(style("#000000"), "crime", 3), null);
  assert.equal(binClasses(style(few), "trees", 3), null);
  assert.equal(binClasses(undefined, "crime", 3), null);
});
