import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseUnit, layEdges, numberBucket, startBucket, UNITS } from "./buckets.ts";
import { parseMoment, writeDay, writeTime } from "./moments.ts";

const second = (text: string): number => Date.parse(text) / 1000;

test("a bucket begins where the one before it ends, and holds what lies between", () => {
  for (const unit of UNITS)
    for (const text of ["1900-02-28T23:59:59Z", "1969-12-31T23:59:59Z", "2024-02-29T12:00:00Z", "2025-12-31T00:00:00Z"]) {
      const number = numberBucket(unit, second(text));
      const [start, end] = [startBucket(unit, number), startBucket(unit, number + 1)];
      assert.ok(start <= second(text) && second(text) < end, `${unit} ${text}`);
      assert.equal(numberBucket(unit, start), number);
    }
  assert.equal(writeDay(startBucket("week", numberBucket("week", second("2024-05-30T00:00:00Z"))) * 1e6), "2024-05-27");
});

test("the finest unit is chosen of which there are few enough", () => {
  assert.equal(chooseUnit(second("2024-01-01"), second("2024-01-08"), false), "hour");
  assert.equal(chooseUnit(second("2024-01-01"), second("2024-01-08"), true), "day");
  assert.equal(chooseUnit(second("2021-01-01"), second("2025-12-31"), false), "month");
});

test("edges of bins are round, and exact where doubles are not", () => {
  assert.deepEqual(layEdges(0.1, 0.65, 6, false), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]);
  assert.deepEqual(layEdges(3, 41, 5, true), [0, 10, 20, 30, 40, 50]);
  assert.deepEqual(layEdges(7, 7, 20, false), [7, 7.1]);
  assert.deepEqual(layEdges(-3.2, 8.9, 1, false), [-10, 10]);
});

test("times are read as people and standards write them, and written as the server does", () => {
  const first = (text: string): string | null => writeTime(parseMoment(text)!.first);
  assert.equal(first("2024-05-31T12:00:00+02:00"), "2024-05-31T10:00:00Z");
  assert.equal(first("2024-05-31 12:00"), "2024-05-31T12:00:00Z");
  assert.equal(first("2024-05-31T12:00:00.250Z"), "2024-05-31T12:00:00.25Z");
  assert.equal(writeTime(parseMoment("2024-02")!.after!), "2024-03-01T00:00:00Z");
  assert.equal(writeTime(parseMoment("2024")!.after!), "2025-01-01T00:00:00Z");
  for (const wrong of ["2024-02-30", "24-01-01", "2024-13", "noon", "2024-01-01T25:00:00Z"]) assert.equal(parseMoment(wrong), null, wrong);
});
