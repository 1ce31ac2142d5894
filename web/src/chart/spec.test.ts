import assert from "node:assert/strict";
import { test } from "node:test";
import { LAYER } from "../testing/aggregates.ts";
import { makeField } from "../testing/fake-server.ts";
import { chooseSpec, listKinds, parseSpec, writeGroups, writeMeasure, writeSpec, type Drawn } from "./spec.ts";

const AREAS = ["districts"];

for (const text of [
  "seen:month",
  "seen:auto,category",
  "seen:hour-of-day",
  "planted:year~avg:height",
  "category",
  "lanes",
  "height",
  "height:40,girth",
  "girth,category~sum:height",
  "in:districts~median:girth",
]) {
  test(`a chart is read and written again: ${text}`, () => assert.equal(writeSpec(parseSpec(text, LAYER, AREAS)!), text));
}

for (const text of [
  "",
  "nothing",
  "seen:fortnight",
  "planted:hour",
  "category:month",
  "height:0",
  "height:x",
  "in:streets",
  "in",
  "category,category",
  "category,seen:month",
  "height,height",
  "seen:month,category,height",
  "seen:month~avg",
  "seen:month~avg:category",
  "seen:month~mode:height",
  "seen:month~avg:height:1",
  "seen:month~avg:height~sum:height",
]) {
  test(`what cannot be drawn is no chart: ${text || "nothing"}`, () => assert.equal(parseSpec(text, LAYER, AREAS), null));
}

test("the server is asked for groups and measure as the address has them", () => {
  const spec = parseSpec("seen:month,category~avg:height", LAYER, AREAS)!;
  assert.deepEqual([writeGroups(spec), writeMeasure(spec)], ["seen:month,category", "avg:height"]);
});

test("the first chart follows from the fields: the course, else the values, else how large, else where", () => {
  const first = (layer: Drawn, areas: string[] = []): string | null => {
    const spec = chooseSpec(layer, areas);
    return spec && writeSpec(spec);
  };
  const without = (...names: string[]): Drawn => ({ ...LAYER, fields: LAYER.fields.filter(({ name }) => !names.includes(name)) });
  assert.equal(first(LAYER), "seen:auto");
  assert.equal(first({ ...LAYER, time: "planted" }), "planted:auto");
  const brief = LAYER.fields.map((field) => (field.type === "timestamp" ? { ...field, max: "2024-01-03T00:00:00Z" } : field));
  assert.equal(first({ time: "seen", fields: brief }), "category");
  assert.equal(first({ time: null, fields: [makeField("name", "text", "search"), makeField("people", "integer", "range")] }), "people");
  assert.equal(first({ time: null, fields: [makeField("name", "text", "search")] }), "name");
  assert.equal(first(without("seen", "planted")), "category");
  assert.equal(first({ time: null, fields: [] }, AREAS), "in:districts");
  assert.equal(first({ time: null, fields: [] }), null);
});

test("only what a layer has can be chosen", () => {
  assert.deepEqual(listKinds(LAYER, AREAS), ["time", "category", "number", "area"]);
  assert.deepEqual(listKinds({ time: null, fields: [makeField("size", "number", "none")] }, []), ["number"]);
});
