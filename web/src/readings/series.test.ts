import assert from "node:assert/strict";
import { test } from "node:test";
import { findNearest, findRange, formatAge, listRuns, readSeries } from "./series.ts";

const HOUR = 3_600_000;
const at = (hour: number): string => new Date(hour * HOUR).toISOString();
const rows = (pairs: [number, number | null][]): { time: string; value: number | null }[] =>
  pairs.map(([hour, value]) => ({ time: at(hour), value }));
const runsOf = (pairs: [number, number | null][]): number[][] =>
  listRuns(readSeries(rows(pairs), "time", "value")).map((run) => run.map((point) => point.at / HOUR));

test("a line is broken where a value is missing, and where no reading came for several usual steps", () => {
  assert.deepEqual(
    runsOf([
      [0, 1],
      [1, 2],
      [2, null],
      [3, 4],
      [4, 5],
      [10, 6],
      [11, 7],
    ]),
    [
      [0, 1],
      [3, 4],
      [10, 11],
    ],
  );
});

test("readings come in order of time, and one without neighbours is still there", () => {
  assert.deepEqual(
    runsOf([
      [5, 1],
      [0, 1],
      [1, null],
      [2, 3],
      [3, null],
    ]),
    [[0], [2], [5]],
  );
  assert.deepEqual(readSeries([{ time: "soon", value: 1 }], "time", "value"), []);
});

test("the scale holds limits that are near, begins at zero where that is near, and is never empty", () => {
  const limits = [
    { value: 25, title: "a" },
    { value: 200, title: "b" },
  ];
  assert.deepEqual(findRange([5, 20], limits), { low: 0, high: 25, shown: [limits[0]] });
  assert.deepEqual(findRange([18, 20], []), { low: 18, high: 20, shown: [] });
  assert.deepEqual(findRange([-4, 9], []), { low: -4, high: 9, shown: [] });
  const { low, high } = findRange([7, 7], []);
  assert.ok(low < 7 && high > 7);
  const zero = findRange([0, 0], []);
  assert.ok(zero.low < 0 && zero.high > 0);
});

test("the nearest point is found, and ages are told in whole units", () => {
  assert.equal(findNearest([{ at: 0 }, { at: 10 }, { at: 30 }], 21), 2);
  assert.equal(formatAge(0, 3 * HOUR, "en"), "3 hours ago");
  assert.equal(formatAge(0, 24 * HOUR, "en"), "yesterday");
  assert.equal(formatAge(0, 400 * 24 * HOUR, "de"), "letztes Jahr");
  assert.equal(formatAge(0, 20_000, "en"), "this minute");
});
