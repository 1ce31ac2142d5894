import assert from "node:assert/strict";
import { test } from "node:test";
import { featureFilter } from "@maplibre/maplibre-gl-style-spec";
import type { Aggregate, TileJson } from "../query/types.ts";
import { cut, extentOf, join, placeOf, readBars, spanOf, type Bar } from "./axis.ts";
import { isWhole, writeCondition } from "./narrow.ts";
import { listPresets } from "./presets.ts";
import { chooseUnit, countSteps, numberOf, shiftDay, startOf, stepAt, UNITS } from "./steps.ts";
import { drawn, fitUnit, moved, nearestEdge, resized, stepped, unitOf } from "./window.ts";

const YEAR = { from: "2024-01-01", to: "2024-12-31" };

test("every day is in one step of each unit, and steps follow each other without a gap", () => {
  for (const unit of UNITS) {
    for (const day of ["1969-12-31", "1970-01-01", "2023-12-31", "2024-02-29", "2024-12-30", "0001-01-01", "9999-01-31"]) {
      const number = numberOf(unit, day);
      assert.ok(startOf(unit, number) <= day && (day < startOf(unit, number + 1) || day.startsWith("9999")), `${unit} ${day}`);
      assert.equal(numberOf(unit, startOf(unit, number)), number, `${unit} ${day}`);
    }
  }
  assert.equal(startOf("week", numberOf("week", "2024-05-05")), "2024-04-29"); // a Monday
  assert.equal(startOf("quarter", numberOf("quarter", "2024-05-05")), "2024-04-01");
});

test("steps of a span begin and end where it does, and together are all of it", () => {
  const span = { from: "2024-01-10", to: "2024-03-20" };
  const months = Array.from({ length: countSteps("month", span) }, (_, at) => stepAt("month", span, at));
  assert.deepEqual(months, [
    { from: "2024-01-10", to: "2024-01-31" },
    { from: "2024-02-01", to: "2024-02-29" },
    { from: "2024-03-01", to: "2024-03-20" },
  ]);
  assert.equal(countSteps("day", { from: "2024-02-28", to: "2024-03-01" }), 3);
});

test("a year is played by weeks, five years by months, and a month by days", () => {
  assert.equal(chooseUnit(YEAR), "week");
  assert.equal(chooseUnit({ from: "2021-01-01", to: "2025-12-31" }), "month");
  assert.equal(chooseUnit({ from: "2025-12-01", to: "2025-12-31" }), "day");
  assert.equal(chooseUnit({ from: "1900-01-01", to: "2025-12-31" }), "year");
});

test("a day is shifted by months to the same day or their last", () => {
  assert.equal(shiftDay("month", "2024-03-31", -1), "2024-02-29");
  assert.equal(shiftDay("year", "2024-02-29", 1), "2025-02-28");
  assert.equal(shiftDay("week", "2024-03-01", -1), "2024-02-23");
});

test("presets end with the data, and name each year of them", () => {
  const presets = listPresets({ from: "2023-05-01", to: "2025-03-31" });
  assert.deepEqual(
    presets.map(({ key, from, to }) => `${key} ${from} ${to}`),
    [
      "week 2025-03-25 2025-03-31",
      "month 2025-03-01 2025-03-31",
      "year 2024-04-01 2025-03-31",
      "2025 2025-01-01 2025-12-31",
      "2024 2024-01-01 2024-12-31",
      "2023 2023-01-01 2023-12-31",
    ],
  );
  assert.deepEqual(
    listPresets({ from: "2025-03-31", to: "2025-03-31" }).map(({ key }) => key),
    ["2025"],
  );
});

const bar = (from: string, to: string, count: number): Bar => ({ from: placeOf(from), to: placeOf(to), count });

test("times are placed by the day, far ones too", () => {
  assert.equal(placeOf("1970-01-02"), 1);
  assert.equal(placeOf("1970-01-01T12:00:00Z"), 0.5);
  assert.equal(placeOf("0001-01-01"), -719_162);
  assert.equal(placeOf("0001-12-31 BC"), -719_163);
  assert.ok(placeOf("294276-01-01") > placeOf("12024-05-31"));
  assert.ok(Number.isNaN(placeOf("soon")));
});

test("a row of the year 9999 does not stretch the axis, and many do", () => {
  const known = [bar("2020-01-01", "2021-01-01", 600), bar("2021-01-01", "2022-01-01", 400)];
  assert.equal(cut(known), null);
  assert.deepEqual(cut([...known, bar("9999-01-01", "10000-01-01", 1)]), { from: placeOf("2020-01-01"), to: placeOf("2022-01-01") });
  assert.deepEqual(cut([bar("1000-01-01", "1001-01-01", 1), ...known]), { from: placeOf("2020-01-01"), to: placeOf("2022-01-01") });
  assert.equal(cut([...known, bar("9999-01-01", "10000-01-01", 500)]), null);
  assert.equal(cut([bar("2020-01-01", "2020-01-02", 1)]), null);
  assert.equal(cut([]), null);
});

test("bars are read from an answer, and what has no rows is a gap", () => {
  const answer = {
    layer: "crime",
    version: "1",
    count: 5,
    measure: { of: "count" },
    groups: [
      {
        kind: "time",
        field: "seen",
        title: "Seen",
        bucket: "day",
        values: ["2024-01-01", "2024-01-02", "2024-01-03"],
        ends: ["2024-01-02", "2024-01-03", "2024-01-04"],
        incomplete: [],
      },
    ],
    cells: [
      [0, 2],
      [2, 1],
      [-2, 2],
    ],
  } as unknown as Aggregate;
  const bars = readBars(answer);
  assert.deepEqual(bars, [bar("2024-01-01", "2024-01-02", 2), bar("2024-01-03", "2024-01-04", 1)]);
  assert.deepEqual(spanOf(extentOf(bars)!), { from: "2024-01-01", to: "2024-01-03" });
  assert.deepEqual(join([null, { from: 1, to: 2 }, { from: 0, to: 1.5 }]), { from: 0, to: 2 });
  assert.equal(join([null]), null);
});

test("a window is chosen by whole steps of a unit that a pointer can hit", () => {
  const extent = { from: placeOf("2021-01-01"), to: placeOf("2026-01-01") };
  const whole = spanOf(extent);
  assert.equal(fitUnit(extent, 800), "week");
  assert.equal(fitUnit({ from: 0, to: 30 }, 300), "day");
  assert.equal(nearestEdge("month", placeOf("2024-01-20")), placeOf("2024-02-01"));
  assert.deepEqual(drawn("month", placeOf("2024-03-20"), placeOf("2024-01-20"), whole), { from: "2024-01-01", to: "2024-03-31" });
  assert.deepEqual(drawn("year", extent.from, extent.to - 0.001, whole), whole);
  assert.deepEqual(resized("month", YEAR, "to", placeOf("2024-06-28"), whole), { from: "2024-01-01", to: "2024-06-30" });
  assert.deepEqual(resized("month", YEAR, "from", placeOf("2030-06-28"), whole), { from: "2024-12-31", to: "2024-12-31" });
  assert.deepEqual(stepped("month", YEAR, "from", -1, whole), { from: "2023-12-01", to: "2024-12-31" });
  assert.deepEqual(stepped("month", { from: "2024-01-01", to: "2024-01-15" }, "to", -1, whole), { from: "2024-01-01", to: "2024-01-01" });
});

test("a window keeps its length of its own unit as it moves, and stays on the axis", () => {
  const whole = { from: "2021-01-01", to: "2025-12-31" };
  assert.equal(unitOf(YEAR), "year");
  assert.equal(unitOf({ from: "2024-02-01", to: "2024-02-29" }), "month");
  assert.equal(unitOf({ from: "2024-01-02", to: "2024-01-03" }), "day");
  assert.deepEqual(moved({ from: "2024-02-01", to: "2024-02-29" }, 1, whole), { from: "2024-03-01", to: "2024-03-31" });
  assert.deepEqual(moved(YEAR, -100, whole), { from: "2021-01-01", to: "2021-12-31" });
  assert.deepEqual(moved(YEAR, 100, whole), { from: "2025-01-01", to: "2025-12-31" });
});

test("the condition on tiles leaves the rows of the window's days in UTC, and none without a time", () => {
  const passes = (type: "date" | "timestamp", window: { from: string | null; to: string | null }, value: unknown): boolean =>
    featureFilter(writeCondition({ name: "at", type }, window), "layers[0].filter").filter({ zoom: 10 }, {
      type: 1,
      properties: value === undefined ? {} : { at: value },
    } as never);
  const january = { from: "2024-01-01", to: "2024-01-31" };
  for (const [type, value, inside] of [
    ["timestamp", "2024-01-01T00:00:00Z", true],
    ["timestamp", "2024-01-31T23:59:59Z", true],
    ["timestamp", "2024-02-01T00:00:00Z", false],
    ["timestamp", "2023-12-31T23:59:59Z", false],
    ["timestamp", "12024-01-10T00:00:00Z", false],
    ["timestamp", undefined, false],
    ["timestamp", null, false],
    ["date", "2024-01-31", true],
    ["date", "2024-02-01", false],
    ["date", "0044-03-15 BC", false],
  ] as const) {
    assert.equal(passes(type, january, value), inside, `${type} ${value}`);
  }
  assert.equal(passes("date", { from: null, to: "2024-01-31" }, undefined), false);
  assert.equal(passes("date", { from: null, to: "2024-01-31" }, "1900-01-01"), true);
  assert.equal(passes("date", { from: "2024-01-31", to: null }, "2025-01-01"), true);
  for (const [type, value] of [
    ["date", "2025-01-01"],
    ["date", "9999-12-31"],
    ["timestamp", "2025-01-01T00:00:00Z"],
    ["timestamp", "9999-12-31T23:59:59Z"],
  ] as const)
    assert.equal(passes(type, { from: "2024-01-31", to: "9999-12-31" }, value), true, `${type} ${value}`);
});

test("tiles are whole from the zoom on that the server says, where they carry the time", () => {
  const tiles = { features_from: 12, vector_layers: [{ id: "crime", fields: { seen: "" } }] } as unknown as TileJson;
  assert.equal(isWhole(tiles, "crime", "seen", 12.4), true);
  assert.equal(isWhole(tiles, "crime", "seen", 11.99), false);
  assert.equal(isWhole(tiles, "crime", "other", 13), false);
});
