import assert from "node:assert/strict";
import { test } from "node:test";
import type { LegendEntry } from "../query/types.ts";
import { layOut, type Content, type Layout, type SheetLayer } from "./layout.ts";
import { PAPERS, pixelsOf, type Box, type Paper } from "./paper.ts";
import { writeSheet } from "./svg.ts";
import { cutText, wrapText, type Font, type Measure } from "./text.ts";

/** Every letter is half as wide as it is high. */
const measure: Measure = (text, { size }) => text.length * size * 0.5;
const FONT: Font = { size: 10, bold: false, serif: false };

const sign = (label: string): LegendEntry => ({ kind: "fill", label, color: "#123456" });
const entry = (label: string): SheetLayer["entries"][number] => ({ heading: "", label, sign: sign(label), scale: 1, outlined: false });
const layer = (title: string, count: number): SheetLayer => ({
  title,
  lines: ["1,234 of 5,678 rows", "Filtered by: Burglary"],
  bins: null,
  entries: Array.from({ length: count }, (_, index) => entry(`${title} ${index}`)),
});

const content = (...sides: SheetLayer[][]): Content => ({
  title: "Reported crime",
  sides: sides.map((layers, index) => ({ lead: `${2024 - index} · Only in the chosen area`, layers })),
  notes: ["Crime – Source: the city", "https://map.example/?v=1&layers=crime#12/45/-28"],
  ground: "Natural Earth",
  code: [
    [true, false],
    [false, true],
  ],
  more: (count) => `${count} more`,
});

const textsOf = ({ marks }: Layout): string[] => marks.flatMap((mark) => (mark.kind === "text" ? [mark.text] : []));

for (const paper of Object.keys(PAPERS) as Paper[]) {
  for (const landscape of [false, true]) {
    test(`all is on the sheet and nothing lies on the map: ${paper}, ${landscape ? "landscape" : "portrait"}`, () => {
      const size = pixelsOf(paper, landscape);
      for (const layers of [[], [layer("Crime", 9)], [layer("Crime", 12), layer("Trees", 7), layer("Bike paths", 4), layer("Water", 1)]]) {
        const layout = layOut(content(layers), size, measure);
        const [map] = layout.maps as [Box];
        assert.ok(map.width > 0.5 * size.width && map.height > 0.4 * size.height);
        for (const mark of layout.marks) {
          const { x, y } = mark.kind === "class" ? mark.box : mark;
          assert.ok(x >= 0 && x <= size.width && y >= 0 && y <= size.height, JSON.stringify(mark));
          assert.ok(x < map.x || x > map.x + map.width || y <= map.y || y >= map.y + map.height, JSON.stringify(mark));
        }
        const texts = textsOf(layout);
        for (const { title, entries } of layers)
          for (const text of [title, ...entries.map(({ label }) => label)]) assert.ok(texts.includes(text), text);
      }
    });
  }
}

for (const landscape of [false, true]) {
  test(`two maps that are compared are of one size, each with its own legend: ${landscape ? "landscape" : "portrait"}`, () => {
    const size = pixelsOf("A4", landscape);
    const sides = [[layer("Crime", 9)], [layer("Crime", 9), layer("Trees", 6)]];
    const layout = layOut(content(...sides), size, measure);
    const [one, two] = layout.maps as [Box, Box];
    assert.equal(layout.maps.length, 2);
    assert.deepEqual([one.width, one.height], [two.width, two.height]);
    assert.ok(one.width * one.height > 0.13 * size.width * size.height);
    assert.ok(landscape ? two.x > one.x + one.width : two.y > one.y + one.height);
    for (const mark of layout.marks) {
      const { x, y } = mark.kind === "class" ? mark.box : mark;
      assert.ok(x >= 0 && x <= size.width && y >= 0 && y <= size.height, JSON.stringify(mark));
      for (const map of [one, two])
        assert.ok(x < map.x || x > map.x + map.width || y <= map.y || y >= map.y + map.height, JSON.stringify(mark));
    }
    const texts = textsOf(layout);
    for (const head of ["A · 2024 · Only in the chosen area", "B · 2023 · Only in the chosen area"]) assert.ok(texts.includes(head), head);
    assert.equal(texts.filter((text) => text === "Crime 8").length, 2);
    assert.equal(texts.filter((text) => text === "Trees 5").length, 1);
  });
}

test("a layer does not go on in the next column where there is room", () => {
  const { marks } = layOut(content([layer("Crime", 5), layer("Trees", 4)]), pixelsOf("A4", false), measure);
  const columns = (title: string): Set<number> =>
    new Set(marks.flatMap((mark) => (mark.kind === "sign" && mark.entry.label.startsWith(title) ? [mark.x] : [])));
  assert.deepEqual([columns("Crime").size, columns("Trees").size], [1, 1]);
});

test("a legend that no sheet could hold says how much of it is left out", () => {
  const texts = textsOf(layOut(content([layer("Everything", 900)]), pixelsOf("A4", false), measure));
  const [, left] = /^(\d+) more$/.exec(texts.find((text) => text.endsWith(" more")) ?? "") ?? [];
  assert.equal(Number(left) + texts.filter((text) => /^Everything \d+$/.test(text)).length, 900);
});

test("text is broken at words, within words that are too long, and cut visibly", () => {
  assert.deepEqual(wrapText("one two three", 35, FONT, measure), ["one two", "three"]);
  assert.deepEqual(wrapText("abcdefghij", 20, FONT, measure), ["abcd", "efgh", "ij"]);
  assert.deepEqual(wrapText("one two three four", 35, FONT, measure, 2), ["one two", "three…"]);
  assert.equal(cutText("burglary", 25, FONT, measure), "burg…");
  assert.deepEqual(wrapText("", 20, FONT, measure), []);
});

test("what somebody has written stays text in the drawing", () => {
  const layout = layOut({ ...content([]), title: `<script>"&'` }, pixelsOf("A4", false), measure);
  const drawing = writeSheet(layout, null, false, "<b>", { width: "210mm", height: "297mm" });
  assert.ok(!drawing.includes("<script>") && !drawing.includes("<b>"));
  assert.match(drawing, /&#60;script&#62;&#34;&#38;'/);
});
