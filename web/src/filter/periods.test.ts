import assert from "node:assert/strict";
import { test } from "node:test";
import { ENGLISH } from "../ui/english.ts";
import { Words } from "../ui/i18n.svelte.ts";
import { describePeriod, listPresets } from "./periods.ts";

const words = new Words({}, [], {}, ENGLISH);

const days = (first: string, last: string, today: string, south = false): string[] =>
  listPresets(words, first, last, today, south).map(({ label, from, to }) => `${label}: ${from} ${to}`);

test("a span of days is told in the shortest words that say it", () => {
  const told = (from: string | null, to: string | null): string => describePeriod(words, from, to).replace(/[\u2009\u202f\u00a0]/g, " ");
  assert.equal(told("2025-01-01", "2025-12-31"), "2025");
  assert.equal(told("2021-01-01", "2024-12-31"), "2021 – 2024");
  assert.equal(told("2024-02-01", "2024-02-29"), "Feb 2024");
  assert.equal(told("2025-03-01", "2025-05-31"), "Mar – May 2025");
  assert.equal(told("2024-12-01", "2025-02-28"), "Dec 2024 – Feb 2025");
  assert.match(told("2025-03-02", "2025-05-31"), /2.*31.*2025/);
  assert.match(told("2025-03-02", null), /^Since .*2025/);
  assert.match(told(null, "2025-03-02"), /^Until .*2025/);
  assert.equal(told(null, null), "");
});

test("presets reach to today while data come in", () => {
  assert.deepEqual(days("2021-01-01", "2026-05-10", "2026-05-10"), [
    "Last 30 days: 2026-04-11 2026-05-10",
    "This year: 2026-01-01 2026-12-31",
    "Spring 2026: 2026-03-01 2026-05-31",
    "Winter 2025/26: 2025-12-01 2026-02-28",
    "Autumn 2025: 2025-09-01 2025-11-30",
    "Summer 2025: 2025-06-01 2025-08-31",
  ]);
  // Dates to come do not count as reached.
  assert.equal(days("2021-01-01", "2030-01-01", "2026-05-10")[0], "Last 30 days: 2026-04-11 2026-05-10");
});

test("where the data ended long ago presets end with them, and say so", () => {
  const [recent, year, season] = days("2021-01-01", "2024-01-31", "2026-05-10");
  assert.match(recent!, /^30 days to .*2024: 2024-01-02 2024-01-31$/);
  assert.equal(year, "2024: 2024-01-01 2024-12-31");
  assert.equal(season, "Winter 2023/24: 2023-12-01 2024-02-29");
});

test("what the data cannot show is not offered, and seasons follow the hemisphere", () => {
  assert.deepEqual(days("2026-04-20", "2026-05-10", "2026-05-10", true), [
    "Last 30 days: 2026-04-11 2026-05-10",
    "This year: 2026-01-01 2026-12-31",
    "Autumn 2026: 2026-03-01 2026-05-31",
  ]);
});
