import assert from "node:assert/strict";
import { test } from "node:test";
import type { Field, LayerDetail } from "../query/types.ts";
import { ENGLISH } from "../ui/english.ts";
import { Words } from "../ui/i18n.svelte.ts";
import english from "../messages/en.ts";
import { columnsOf, step } from "./cells.ts";
import { listLost, move, parseColumns, parseSort, turnSort, writeColumns, writeSort } from "./order.ts";
import { startOf } from "./rows.svelte.ts";
import { barFor, follow, heightOf, placeAt, reveal, TALLEST } from "./span.ts";
import { widthOf, writeRows } from "./text.ts";

const NAMES = ["kind", "height", "seen"];
const words = new Words({ en: () => Promise.resolve({ default: english }) }, ["en-GB"], {}, ENGLISH);
await words.use("en");
const field = (name: string, type: Field["type"], more: Partial<Field> = {}): Field =>
  ({ name, title: name, type, unit: null, labels: {}, ...more }) as unknown as Field;

test("a press on a heading sorts up, then down, then no more, and another one with more behind it", () => {
  let keys = turnSort([], "kind", false);
  assert.equal(writeSort(keys), "kind");
  keys = turnSort(keys, "kind", false);
  assert.equal(writeSort(keys), "-kind");
  keys = turnSort(keys, "height", true);
  assert.equal(writeSort(keys), "-kind,height");
  keys = turnSort(keys, "kind", true);
  assert.equal(writeSort(keys), "height");
  assert.equal(writeSort(turnSort(keys, "seen", false)), "seen");
  assert.deepEqual(turnSort(turnSort(keys, "height", true), "height", true), []);
});

test("of an address what the layer has is taken, each once", () => {
  assert.equal(writeSort(parseSort("-kind,gone,height,kind", NAMES)), "-kind,height");
  assert.deepEqual(parseSort(null, NAMES), []);
  assert.deepEqual(parseColumns("seen,gone,kind,seen", NAMES), ["seen", "kind"]);
  assert.deepEqual(parseColumns("gone", NAMES), NAMES);
  assert.equal(writeColumns(["seen", "kind"], NAMES), "seen,kind");
  assert.equal(writeColumns(NAMES, NAMES), null);
  assert.equal(writeColumns([], NAMES), null);
});

test("what an address asks of a table and its layer does not have is listed once", () => {
  assert.deepEqual(listLost("-gone,kind", "seen,gone,constructor", NAMES), ["gone", "constructor"]);
  assert.deepEqual(listLost(null, null, NAMES), []);
});

test("a column goes to the place that is wanted", () => {
  assert.deepEqual(move(NAMES, "seen", 0), ["seen", "kind", "height"]);
  assert.deepEqual(move(NAMES, "kind", 9), ["height", "seen", "kind"]);
  assert.deepEqual(move(NAMES, "height", -1), ["height", "kind", "seen"]);
});

test("keys lead over cells and end at the edges, with the headings above the first row", () => {
  const size = { rows: 1_000_000, columns: 5, page: 10 };
  const press = (key: string, row: number, column: number, ctrlKey = false) => step({ key, ctrlKey }, { row, column }, size);
  assert.deepEqual(press("ArrowUp", 0, 2), { row: -1, column: 2 });
  assert.deepEqual(press("ArrowUp", -1, 2), { row: -1, column: 2 });
  assert.deepEqual(press("ArrowDown", 999_999, 2), { row: 999_999, column: 2 });
  assert.deepEqual(press("End", 3, 2, true), { row: 999_999, column: 4 });
  assert.deepEqual(press("Home", 3, 2, true), { row: 0, column: 0 });
  assert.deepEqual(press("Home", 3, 2), { row: 3, column: 0 });
  assert.deepEqual(press("PageUp", 3, 2), { row: 0, column: 2 });
  assert.deepEqual(press("PageDown", 999_995, 2), { row: 999_999, column: 2 });
  assert.equal(press("x", 3, 2), null);
});

test("few rows scroll as they are", () => {
  const span = { rows: 34_000, view: 400 };
  assert.equal(heightOf(span), 34_000);
  assert.deepEqual(follow(span, { top: 0, bar: 0 }, 1234), { top: 1234, bar: 1234 });
  assert.equal(placeAt(span, 1e9).top, 33_600);
});

test("a pull at the bar of a million rows goes to the same part of them, and a turn of the wheel by as much as it says", () => {
  const span = { rows: 36_000_000, view: 400 };
  assert.equal(heightOf(span), TALLEST);
  const pulled = follow(span, { top: 0, bar: 0 }, (TALLEST - 400) * 0.9);
  assert.ok(Math.abs(pulled.top / 36 - 900_000) < 5_000);
  const turned = follow(span, pulled, pulled.bar + 100);
  assert.equal(Math.round(turned.top - pulled.top), 100);
  assert.deepEqual(follow(span, turned, TALLEST - 400).top, 35_999_600);
  // Without a rest: the bar has come to its end, and the rows have not.
  let place = placeAt(span, 3_000);
  for (let turn = 0; turn < 30; turn++) place = follow(span, place, Math.max(0, place.bar - 100));
  assert.deepEqual(place, { top: 0, bar: 0 });
  // The same far from the end, where the bar is ahead of the rows.
  place = { top: 60_000, bar: 90 };
  place = follow(span, place, 0);
  assert.equal(place.top, 59_910);
  assert.equal(place.bar, barFor(span, 59_910));
});

test("wherever the view is, the bar stands at the same part of its way", () => {
  const span = { rows: 36_000_000, view: 400 };
  for (const part of [0, 0.25, 0.9, 1]) {
    const bar = barFor(span, part * 35_999_600);
    assert.ok(Math.abs(bar / (TALLEST - 400) - part) < 0.01);
    assert.ok(Math.abs(follow(span, { top: 0, bar: -2_000 }, bar).top - part * 35_999_600) < 1e-6);
  }
});

test("a row comes into view by no more than it takes", () => {
  const span = { rows: 36_000, view: 360 };
  const place = placeAt(span, 720);
  assert.equal(reveal(span, place, 25, 36), place);
  assert.equal(reveal(span, place, 10, 36).top, 360);
  assert.equal(reveal(span, place, 30, 36).top, 31 * 36 - 360);
});

test("a page far down begins at the mark before it", () => {
  const marks = { data: { layer: "x", count: 50_000, every: 2_000, cursors: ["a", null, "c", "d"] }, settled: true, error: null };
  const unknown = { data: undefined, settled: false, error: null };
  assert.deepEqual(startOf(900, 50_000, unknown), { cursor: "", offset: 900 });
  assert.equal(startOf(1_000, 50_000, unknown), null);
  assert.deepEqual(startOf(1_900, 50_000, marks), { cursor: "", offset: 1_900 });
  assert.deepEqual(startOf(2_100, 50_000, marks), { cursor: "a", offset: 100 });
  assert.deepEqual(startOf(5_900, 50_000, marks), { cursor: "a", offset: 3_900 });
  assert.deepEqual(startOf(49_900, 50_000, marks), { cursor: "d", offset: 41_900 });
  assert.deepEqual(startOf(9_900, 9_950, unknown), { cursor: "", offset: 9_900 });
  assert.deepEqual(startOf(60_000, 500_000, { ...unknown, error: {} as never }), { cursor: "", offset: 60_000 });
  assert.equal(startOf(100_100, 500_000, { ...unknown, error: {} as never }), null);
});

test("rows are copied so that a spreadsheet knows what they are", () => {
  const fields = [
    field("kind", "text", { title: "Kind", labels: { x: "Ex" } } as never),
    field("height", "number", { title: "Height", unit: "m" }),
    field("n", "integer"),
    field("seen", "timestamp"),
    field("lit", "boolean"),
  ];
  const rows = [
    { kind: "x", height: 1234.5, n: 2n ** 60n, seen: "2024-01-31T12:05:00Z", lit: true },
    { kind: 'a\t"b"', height: null, n: -7, seen: null, lit: false },
    { kind: "=1+1", height: 1e21, n: null, seen: "2024-01-31T12:05:00.5Z", lit: null },
  ];
  assert.equal(
    writeRows(words, fields, rows),
    [
      "Kind\tHeight (m)\tn\tseen\tlit",
      "Ex\t1234.5\t1152921504606846976\t2024-01-31 12:05:00\tyes",
      '"a\t""b"""\t\t-7\t\tno',
      "'=1+1\t1e+21\t\t2024-01-31 12:05:00\t",
    ].join("\n"),
  );
});

test("a column is as wide as most of its values", () => {
  assert.equal(widthOf("Kind", []), 7);
  assert.equal(widthOf("K", ["12", "123456789012"]), 6);
  assert.equal(widthOf("K", Array<string>(20).fill("x".repeat(30))), 30);
  assert.equal(widthOf("K", Array<string>(20).fill("x".repeat(300))), 36);
  const layer = { fields: [field("a", "text", { title: "x".repeat(60) }), field("b", "text")] } as unknown as LayerDetail;
  const [first] = columnsOf(layer.fields, 390, 16, [[], []]);
  assert.ok(first!.width <= 156);
});
