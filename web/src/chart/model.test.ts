import assert from "node:assert/strict";
import { test } from "node:test";
import type { LayerDetail } from "../query/types.ts";
import { CATEGORIES, GIRTHS, HEIGHTS, LAYER, makeAggregate, MONTHS } from "../testing/aggregates.ts";
import { ENGLISH } from "../ui/english.ts";
import { Words } from "../ui/i18n.svelte.ts";
import { wrap, writeCsv, writeSvg, type Caption } from "./export.ts";
import { drawFigure, type Figure } from "./figure.ts";
import { arrange, buildModel, describeBucket, isAnswer, type Model } from "./model.ts";
import { parseSpec, type Step } from "./spec.ts";

const words = new Words({}, [], {}, ENGLISH);
const others = (count: number): string => (count ? `${count} others` : "Other");
const build = (...args: Parameters<typeof makeAggregate>): Model => buildModel(makeAggregate(...args), LAYER, words, others);
const draw = (model: Model, more: object = {}): Figure =>
  drawFigure(model, { width: 640, height: 240, words, picked: null, pickedBy: null, formatMeasure: String, whole: true, ...more });

test("a month without rows is a gap that has its place, and the last one is marked where it is not whole", () => {
  const model = build(
    [MONTHS],
    [
      [0, 7],
      [3, 2],
      [-2, 4],
    ],
  );
  assert.deepEqual(model.totals, [7, 0, 0, 2]);
  assert.deepEqual(
    model.places.map(({ label, incomplete }) => [label, incomplete]),
    [
      ["January 2024", false],
      ["February 2024", false],
      ["March 2024", false],
      ["April 2024", true],
    ],
  );
  assert.equal(model.outside, 4);
  // An average of no rows is none.
  const average = build(
    [MONTHS],
    [
      [0, 7],
      [3, 2],
    ],
    { measure: { of: "avg", field: "height", title: "Height", unit: "m" } },
  );
  assert.deepEqual(average.totals, [7, null, null, 2]);
});

test("averages of several values are none of all of them together", () => {
  const cells: [number, number, number][] = [
    [0, 0, 7],
    [0, -1, 5],
    [0, -2, 3],
  ];
  const measure = { of: "avg" as const, field: "height", title: "Height", unit: "m" };
  const several = build([MONTHS, CATEGORIES], cells, { measure });
  assert.ok(several.series.every(({ values }) => values.length === 1));
  assert.ok(several.cells.every((row) => row.length === several.series.length));
  const one = build([MONTHS, CATEGORIES], cells.slice(0, 2), { measure });
  assert.deepEqual([one.series.at(-1)!.values, one.cells[0]!.at(-1)], [[], 5]);
});

test("rare values are one bar and rows without a value another", () => {
  const model = build(
    [CATEGORIES],
    [
      [0, 9],
      [1, 5],
      [-1, 3],
      [-2, 1],
    ],
  );
  assert.deepEqual(
    model.places.map(({ label }, at) => [label, model.totals[at]]),
    [
      ["Theft", 9],
      ["Fraud", 5],
      ["3 others", 3],
      ["no value", 1],
    ],
  );
});

test("buckets of times before the first year and behind the year 9999 have names of their own", () => {
  const name = (...bucket: [step: Step, value: string, end: string]): string => describeBucket(words, ...bucket);
  assert.equal(name("month", "0044-03-01 BC", "0044-04-01 BC"), "March 44 BC");
  assert.equal(name("month", "12024-03-01", "12024-04-01"), "March 12024");
  assert.equal(name("year", "0044-01-01 BC", "0043-01-01 BC"), "44 BC");
  assert.equal(name("year", "0001-01-01 BC", "0001-01-01"), "1 BC");
  assert.equal(name("year", "0001-01-01", "0002-01-01"), "1");
  assert.match(name("week", "0044-03-12 BC", "0044-03-19 BC"), /^Mar 12\s–\s18, 44 BC$/);
  assert.match(name("quarter", "0044-04-01 BC", "0044-07-01 BC"), /^Apr\s–\sJun 44 BC$/);
  assert.match(name("decade", "0010-01-01 BC", "0001-01-01"), /^10\s–\s1 BC$/);
  assert.equal(name("year", "9999-01-01", "10000-01-01"), "9999");
  assert.equal(name("millennium", "5874000-01-01", "5875000-01-01"), "5874000-01-01");
});

test("bins of whole numbers are named by the numbers in them, others by their edges", () => {
  assert.deepEqual(
    build([GIRTHS], [[0, 1]]).places.map(({ label }) => label),
    ["0 – 9\u00a0cm", "10 – 19\u00a0cm"],
  );
  assert.deepEqual(
    build([HEIGHTS], [[0, 1]]).places.map(({ label }) => label),
    ["0 – 2.5\u00a0m", "2.5 – 5\u00a0m"],
  );
});

test("series have the legend's colours and its company of values, what it does not name is grey", () => {
  const entry = { kind: "circle" as const, label: "", title: "Category" };
  const legend = [
    { ...entry, color: "#c94b39", value: ["theft", "fraud"] },
    { ...entry, color: "#2e5bc8", value: "arson" },
  ];
  const layer = { ...LAYER, legend } as LayerDetail;
  const kinds = { ...CATEGORIES, values: ["theft", "fraud", "arson"] } as typeof CATEGORIES;
  const model = buildModel(
    makeAggregate(
      [MONTHS, kinds],
      [
        [0, 0, 4],
        [0, 1, 3],
        [0, 2, 6],
        [0, -1, 2],
        [1, 0, 1],
      ],
    ),
    layer,
    words,
    others,
  );
  assert.deepEqual(
    model.series.map(({ label, values, paint }) => [label, values, paint?.light]),
    [
      ["Theft, Fraud", ["theft", "fraud"], "#c94b39"],
      ["Arson", ["arson"], "#2e5bc8"],
      ["Other", [], "#9aa1a6"],
    ],
  );
  assert.deepEqual(model.cells.slice(0, 2), [
    [7, 6, 2],
    [1, 0, 0],
  ]);
  assert.deepEqual(model.totals.slice(0, 2), [15, 1]);
});

test("there are never more colours than can be told apart", () => {
  const values = Array.from({ length: 20 }, (_, at) => `kind ${at}`);
  const group = { ...CATEGORIES, values, labels: values } as typeof CATEGORIES;
  const model = build(
    [MONTHS, group],
    values.map((_, at) => [0, at, 1]),
  );
  assert.equal(model.series.length, 7);
  assert.equal(new Set(model.series.map(({ paint }) => paint?.light)).size, 7);
  assert.equal(model.cells[0]!.at(-1), 14);
});

test("areas are in order of their rows, and those that a picture has no room for are one", () => {
  const values = Array.from({ length: 50 }, (_, at) => at);
  const group = { kind: "area" as const, layer: "districts", title: "Districts", values, labels: values.map((at) => `D${at}`) };
  const model = arrange(
    build(
      [group],
      values.map((at) => [at, at]),
    ),
    40,
    others,
  );
  assert.deepEqual([model.places[0]!.label, model.places.at(-1)!.label, model.places.length], ["D49", "10 others", 41]);
  assert.equal(model.totals.at(-1), 45);
});

test("an answer to the question before is none to this one", () => {
  const spec = (text: string) => parseSpec(text, LAYER, [])!;
  const months = makeAggregate([MONTHS], []);
  assert.ok(isAnswer(months, spec("seen:month")));
  assert.ok(isAnswer(months, spec("seen:auto")));
  for (const text of ["seen:week", "planted:month", "category", "seen:month,category", "seen:month~avg:height"])
    assert.ok(!isAnswer(months, spec(text)), text);
});

test("what is not picked is grey and stays, and what is picked keeps its colour", () => {
  const model = build(
    [MONTHS],
    [
      [0, 7],
      [1, 3],
      [3, 2],
    ],
  );
  const fills = (figure: Figure): unknown[] => figure.outlines.filter(({ d }) => d.endsWith("z")).map(({ fill }) => fill);
  assert.deepEqual(fills(draw(model)), ["accent", "accent"]); // whole ones, and the one that is not
  assert.deepEqual(fills(draw(model, { picked: [true, false, false, false] })), ["accent", "bar", "bar"]);
});

test("rare values together do not press the bars of the others flat", () => {
  const longest = (figure: Figure): number =>
    Math.max(...[...figure.outlines[0]!.d.matchAll(/h([\d.]+)v/g)].map(([, wide]) => Number(wide)));
  const few = draw(
    build(
      [CATEGORIES],
      [
        [0, 9],
        [1, 5],
      ],
    ),
  );
  const many = draw(
    build(
      [CATEGORIES],
      [
        [0, 9],
        [1, 5],
        [-1, 29_000],
      ],
    ),
  );
  assert.ok(longest(many) > 0.8 * longest(few));
  assert.ok(many.texts.some(({ text }) => text === "29000"));
});

test("every place can be pointed at, at every width, with one row and with ten thousand", () => {
  for (const width of [280, 1200]) {
    for (const size of [1, 10_000]) {
      const edges = Array.from({ length: size + 1 }, (_, at) => at);
      const figure = draw(build([{ ...HEIGHTS, edges } as typeof HEIGHTS], [[0, 1]]), { width });
      assert.equal(figure.spots.length, size);
      assert.ok(figure.spots.every((spot) => spot.width > 0 && spot.x >= 0 && spot.x + spot.width <= width + 0.01));
      assert.ok(figure.texts.length < 60);
    }
  }
  assert.equal(draw(build([MONTHS], [])).spots.length, 4);
  const heat = draw(
    build(
      [HEIGHTS, GIRTHS],
      [
        [0, 1, 5],
        [1, 1, 9],
      ],
    ),
  );
  assert.equal(heat.spots.length, 4);
});

const COLUMNS = { axis: "Category", measure: "Number", from: "From", to: "To", within: "Within", picked: null, yes: "yes", no: "no" };
const CAPTION: Caption = { title: "Crime: “all” & more", lines: ["12 reports"], notes: ["Source: City <b>"], legend: [] };

test("a table of numbers says what it is about, and is read by the spreadsheets of its language", () => {
  const model = build(
    [CATEGORIES],
    [
      [0, 9.5],
      [1, 5],
      [-1, 3],
    ],
  );
  model.places[1]!.label = '=cmd|"x"';
  const text = writeCsv(model, CAPTION, COLUMNS, "en");
  assert.equal(
    text,
    '\ufeff# Crime: “all” & more\r\n# 12 reports\r\n# Source: City <b>\r\nCategory,Number\r\nTheft,9.5\r\n"\'=cmd|""x""",5\r\n3 others,3\r\n',
  );
  assert.match(writeCsv(model, CAPTION, COLUMNS, "de"), /Category;Number\r\nTheft;9,5\r\n/);
});

test("a table of numbers tells where each bar begins and ends, and which of them the filter leaves", () => {
  const picked = [true, false, false, false];
  const text = writeCsv(build([MONTHS], [[0, 7]]), CAPTION, { ...COLUMNS, axis: "Seen", picked }, "en");
  assert.ok(
    text.includes("Seen,From,To,Number,Within\r\nJanuary 2024,2024-01-01,2024-02-01,7,yes\r\nFebruary 2024,2024-02-01,2024-03-01,0,no\r\n"),
  );
  assert.ok(
    writeCsv(build([HEIGHTS], [[0, 7]]), CAPTION, COLUMNS, "fr").includes("2,5\u00a0m;0;2,5;7\r\n".replace("2,5\u00a0m", "0 – 2.5\u00a0m")),
  );
});

test("a drawing says what it is about, and nothing in it is taken for a mark of the drawing's own", () => {
  const svg = writeSvg(draw(build([CATEGORIES], [[0, 9]])), CAPTION);
  assert.match(svg, /<title>Crime: “all” &#38; more<\/title>/);
  assert.ok(svg.includes("Source: City &#60;b&#62;") && !svg.includes("<b>") && !/var\(|light-dark/.test(svg));
});

test("long lines are wrapped at words", () => {
  const lines = wrap("one two three four five six seven eight nine ten", 100, 12);
  assert.ok(lines.length > 2 && lines.every((line) => line.length <= 16));
});
