import assert from "node:assert/strict";
import { test } from "node:test";
import { justBefore, lastYear, yearBefore } from "./presets.ts";

const span = (text: string): { from: string; to: string } => {
  const [from, to] = text.split("/") as [string, string];
  return { from, to };
};

test("a year earlier whole months stay whole, and a day keeps its date where it has one", () => {
  assert.deepEqual(yearBefore(span("2025-02-01/2025-02-28")), span("2024-02-01/2024-02-29"));
  assert.deepEqual(yearBefore(span("2024-01-01/2024-12-31")), span("2023-01-01/2023-12-31"));
  assert.deepEqual(yearBefore(span("2024-02-29/2024-03-10")), span("2023-02-28/2023-03-10"));
});

test("just before is as long: by months where these are whole, else by days", () => {
  assert.deepEqual(justBefore(span("2025-03-01/2025-03-31")), span("2025-02-01/2025-02-28"));
  assert.deepEqual(justBefore(span("2025-01-01/2025-03-31")), span("2024-10-01/2024-12-31"));
  assert.deepEqual(justBefore(span("2025-03-10/2025-03-16")), span("2025-03-03/2025-03-09"));
  assert.deepEqual(justBefore(span("2025-03-10/2025-03-10")), span("2025-03-09/2025-03-09"));
});

test("without a time it is the last whole year of the data, or their only one", () => {
  assert.deepEqual(lastYear("2021-01-01", "2025-12-31"), span("2025-01-01/2025-12-31"));
  assert.deepEqual(lastYear("2021-01-01", "2025-12-30"), span("2024-01-01/2024-12-31"));
  assert.deepEqual(lastYear("2025-03-01", "2025-06-30"), span("2025-01-01/2025-12-31"));
});
