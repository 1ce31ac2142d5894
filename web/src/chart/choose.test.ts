import assert from "node:assert/strict";
import { test } from "node:test";
import { writeFilter } from "../filter/cql2.ts";
import { parseFilter } from "../filter/parser.ts";
import type { Question, Shared } from "../filter/question.ts";
import { parseQuestion } from "../filter/reading.ts";
import { parseExact } from "../query/json.ts";
import type { Aggregate } from "../query/types.ts";
import { CATEGORIES, GIRTHS, HEIGHTS, LAYER, MONTHS } from "../testing/aggregates.ts";
import { ENGLISH } from "../ui/english.ts";
import { Words } from "../ui/i18n.svelte.ts";
import { listNarrowing, readPicked, toggleValues, wayOf, writeSpan, writeWithout } from "./choose.ts";
import { buildModel, type AggregateGroup } from "./model.ts";
import { parseSpec } from "./spec.ts";

const ask = (text = "", shared: Partial<Shared> = {}): Question => parseQuestion(text, { window: null, area: null, ...shared }, LAYER);
const field = (name: string) => LAYER.fields.find((each) => each.name === name)!;
const narrowing = (text: string) => listNarrowing(parseSpec(text, LAYER, ["districts"])!);

test("bars next to each other become a clause that holds their rows and no others", () => {
  assert.deepEqual(writeSpan(MONTHS, field("seen"), 1, 2), { kind: "range", from: "2024-02-01", to: "2024-03-31" });
  assert.deepEqual(writeSpan(GIRTHS, field("girth"), 0, 0), { kind: "range", from: 0, to: 9 });
  assert.deepEqual(writeSpan(GIRTHS, field("girth"), 0, 1), { kind: "range", from: 0, to: 19 });
  assert.deepEqual(writeSpan(HEIGHTS, field("height"), 0, 0), { kind: "range", from: 0, to: 2.5, under: true });
  assert.deepEqual(writeSpan(HEIGHTS, field("height"), 1, 1), { kind: "range", from: 2.5, to: 5 });
});

test("a bar of times that no filter can name is not taken for another time, and one at the end of all is open", () => {
  const years = (...values: string[]) =>
    ({ ...MONTHS, bucket: "year", values: values.slice(0, -1), ends: values.slice(1) }) as Extract<typeof MONTHS, { kind: "time" }>;
  const old = years("0044-01-01 BC", "0043-01-01 BC", "0002-01-01 BC", "0001-01-01 BC", "0100-01-01", "0200-01-01");
  assert.equal(writeSpan(old, field("seen"), 0, 0), null);
  assert.equal(writeSpan(old, field("seen"), 3, 3), null);
  assert.deepEqual(writeSpan(old, field("seen"), 4, 4), { kind: "range", from: "0100-01-01", to: "0199-12-31" });
  assert.deepEqual(writeSpan(old, field("seen"), 0, 4), { kind: "range", from: null, to: "0199-12-31" });
  assert.deepEqual(readPicked(old, [], LAYER, ask("", { window: { from: "0044-01-01", to: "0150-01-01" } })), [
    false,
    false,
    false,
    true,
    true,
  ]);
  const far = years("9998-01-01", "9999-01-01", "10000-01-01", "12024-01-01", "294276-01-01");
  assert.deepEqual(writeSpan(far, field("seen"), 1, 1), { kind: "range", from: "9999-01-01", to: "9999-12-31" });
  assert.equal(writeSpan(far, field("seen"), 2, 2), null);
  assert.equal(writeSpan(far, field("seen"), 3, 3), null);
  assert.deepEqual(writeSpan(far, field("seen"), 1, 3), { kind: "range", from: "9999-01-01", to: null });
});

test("bins of numbers beyond 2^53 are drawn, named and picked", () => {
  const text = `{"groups":[{"kind":"number","field":"girth","title":"Girth","unit":"","edges":[-9223372036854775808,0,9100000000000000000]}]}`;
  const [bins] = (parseExact(text) as { groups: AggregateGroup[] }).groups as [AggregateGroup];
  assert.deepEqual(writeSpan(bins, field("girth"), 0, 0), { kind: "range", from: -(2 ** 63), to: -1 });
  const last = writeSpan(bins, field("girth"), 1, 1)!;
  assert.deepEqual(last, { kind: "range", from: 0, to: 9.1e18, under: true });
  assert.equal(writeFilter({ girth: last }, LAYER.fields), "girth >= 0 AND girth < 9100000000000000000");
  assert.deepEqual(readPicked(bins, [], LAYER, ask("girth >= 0 AND girth < 9100000000000000000")), [false, true]);
  const found = { groups: [bins], cells: [[1, 3]], measure: { of: "count" } } as unknown as Aggregate;
  const { places, cells } = buildModel(found, LAYER, new Words({}, [], {}, ENGLISH), String);
  assert.match(places[1]!.label, /^0 – 9,100,000,000,000,000,000/);
  assert.deepEqual(cells, [[0], [3]]);
});

test("an hour narrows to its day", () => {
  const hours = {
    ...(MONTHS as Extract<typeof MONTHS, { kind: "time" }>),
    bucket: "hour",
    values: ["2024-01-02T22:00:00Z", "2024-01-02T23:00:00Z"],
    ends: ["2024-01-02T23:00:00Z", "2024-01-03T00:00:00Z"],
  };
  assert.deepEqual(writeSpan(hours, field("seen"), 1, 1), { kind: "range", from: "2024-01-02", to: "2024-01-02" });
});

for (const [group, name, first, last] of [
  [HEIGHTS, "height", 0, 0],
  [HEIGHTS, "height", 1, 1],
  [GIRTHS, "girth", 0, 0],
  [GIRTHS, "girth", 1, 1],
] as const) {
  test(`what was picked is found again in the filter that it became: ${name} ${first}`, () => {
    const text = writeFilter({ [name]: writeSpan(group, field(name), first, last)! }, LAYER.fields);
    assert.ok(parseFilter(text, LAYER.fields));
    assert.deepEqual(readPicked(group, [0, 1], LAYER, ask(text)), [first === 0, first === 1]);
  });
}

test("a time is picked in the window that all layers share, unless the layer has a clause of its own", () => {
  const window = { from: "2024-02-01", to: "2024-02-29" };
  assert.equal(wayOf(MONTHS, LAYER, ask()), "window");
  assert.deepEqual(readPicked(MONTHS, [], LAYER, ask("", { window })), [false, true, false, false]);
  const own = ask("seen >= TIMESTAMP('2024-03-01T00:00:00Z')", { window });
  assert.equal(wayOf(MONTHS, LAYER, own), "clause");
  assert.deepEqual(readPicked(MONTHS, [], LAYER, own), [false, false, true, true]);
});

test("bars that are not picked stay: a chart is asked without what its own bars say", () => {
  const window = { from: "2024-02-01", to: null };
  const text = "category IN ('theft') AND height >= 2";
  assert.equal(writeWithout(narrowing("category"), LAYER, ask(text)), "height >= 2");
  assert.equal(writeWithout(narrowing("height"), LAYER, ask(text)), "category IN ('theft')");
  assert.equal(writeWithout(narrowing("seen:month,category"), LAYER, ask(text, { window })), "height >= 2");
  assert.match(writeWithout(narrowing("category"), LAYER, ask("", { window })), /^seen >= TIMESTAMP/);
  // What comes again every day cannot be picked, and neither can an area: the chart follows the whole filter.
  assert.match(writeWithout(narrowing("seen:hour-of-day"), LAYER, ask("", { window })), /^seen >= TIMESTAMP/);
  assert.equal(writeWithout(narrowing("in:districts"), LAYER, ask(text)), text);
});

test("a filter that no control can show is left as it is, and nothing is picked beside it", () => {
  const custom = ask("height > 2 OR height < 1");
  assert.equal(wayOf(CATEGORIES, LAYER, custom), null);
  assert.equal(writeWithout(narrowing("category"), LAYER, custom), "height > 2 OR height < 1");
  assert.equal(wayOf(MONTHS, LAYER, custom), "window");
});

test("values are put to each other and taken out again, no value among them", () => {
  const one = toggleValues(undefined, ["theft"])!;
  const two = toggleValues(one, ["fraud", null])!;
  assert.deepEqual(two, { kind: "choice", values: ["theft", "fraud", null] });
  assert.deepEqual(toggleValues(two, ["theft"]), { kind: "choice", values: ["fraud", null] });
  assert.equal(toggleValues(one, ["theft"]), null);
  assert.deepEqual(readPicked(CATEGORIES, [0, 1, -1, -2], LAYER, ask("(category IN ('fraud') OR category IS NULL)")), [
    false,
    true,
    false,
    true,
  ]);
});
