import assert from "node:assert/strict";
import { test } from "node:test";
import { makeField } from "../testing/fake-server.ts";
import { combine, layersIn, parseArea, parseWindow, writeArea, writeQuestion, writeWindow, type Area } from "./question.ts";
import { activeParts, writeWithoutEach, parseQuestion } from "./reading.ts";

const FIELDS = [makeField("kind", "text", "choice"), makeField("planted", "date", "range"), makeField("note", "text", "search")];
const LAYER = { time: "planted", fields: FIELDS };
const WINDOW = { from: "2024-01-01", to: null };
const BOX: Area = { kind: "box", bounds: [-28.6, 45.1, -28.5, 45.25] };
const INSIDE = "S_INTERSECTS(geometry,BBOX(-28.6,45.1,-28.5,45.25))";
const SHARED = { window: WINDOW, area: BOX };

test("clauses, time and area become one text", () => {
  const question = parseQuestion("kind IN ('a')", SHARED, LAYER);
  assert.deepEqual(question, { ...SHARED, clauses: { kind: { kind: "choice", values: ["a"] } }, custom: "" });
  assert.equal(writeQuestion(question, LAYER), `(kind IN ('a')) AND planted >= DATE('2024-01-01') AND ${INSIDE}`);
  assert.equal(writeQuestion({ ...question, window: null, area: null }, LAYER), "kind IN ('a')");
  assert.equal(writeQuestion({ ...question, clauses: {} }, LAYER), `planted >= DATE('2024-01-01') AND ${INSIDE}`);
});

test("a layer without a time is not narrowed by one", () => {
  assert.equal(combine("", SHARED, null), INSIDE);
  assert.equal(combine("", { window: WINDOW, area: null }, null), "");
});

test("a timestamp's last day lasts until the next begins", () => {
  const shared = { window: { from: null, to: "2024-02-29" }, area: null };
  assert.equal(combine("", shared, makeField("seen", "timestamp", "range")), "seen < TIMESTAMP('2024-03-01T00:00:00Z')");
});

test("a text of somebody's own keeps its meaning beside time and area", () => {
  const question = parseQuestion("kind = 'a' OR note = ')'", SHARED, LAYER);
  assert.equal(question.custom, "kind = 'a' OR note = ')'");
  assert.equal(writeQuestion({ ...question, window: null }, LAYER), `(kind = 'a' OR note = ')') AND ${INSIDE}`);
});

for (const broken of ["kind = 'a') OR (kind = 'b'", "kind = 'it''s", '"kind = 1', "(kind = 1", "kind = 1)"]) {
  test(`what is no whole condition is left to the server to refuse: ${broken}`, () => assert.equal(combine(broken, SHARED, null), broken));
}

test("a polygon is closed, and written to a tenth of a metre", () => {
  const area: Area = {
    kind: "polygon",
    ring: [
      [1.00000001, 2],
      [3, 4.1234567],
      [5, 0],
    ],
  };
  assert.equal(combine("", { window: null, area }, null), "S_INTERSECTS(geometry,POLYGON((1 2,3 4.123457,5 0,1 2)))");
  assert.equal(writeArea(area), "1,2;3,4.123457;5,0");
  assert.deepEqual(parseArea("1,2;3,4;5,0"), {
    kind: "polygon",
    ring: [
      [1, 2],
      [3, 4],
      [5, 0],
    ],
  });
});

test("circles and features of other layers are named to the server, whose shapes they are", () => {
  const circle: Area = { kind: "circle", at: [-28.5, 45.25], radius: 500 };
  assert.equal(combine("", { window: null, area: circle }, null), "S_INTERSECTS(geometry,CIRCLE(-28.5,45.25,500))");
  const feature: Area = { kind: "feature", layer: "it's", fid: 7 };
  const text = combine("a = 1", { window: null, area: feature }, null);
  assert.equal(text, "(a = 1) AND S_INTERSECTS(geometry,FEATURE('it''s',7))");
  assert.deepEqual(layersIn(text), ["it's"]);
  assert.deepEqual(layersIn("feature ( 'b',1) OR S_INTERSECTS(geometry,FEATURE('a',2)) AND FEATURE('b',3)"), ["a", "b"]);
  for (const area of [circle, feature]) assert.deepEqual(parseArea(writeArea(area)), area);
});

test("windows and boxes are read as they are written", () => {
  for (const text of ["2024-01-01/2024-03-31", "../2024-03-31", "2024-01-01/..", "2024-01-01/2024-01-01"]) {
    assert.equal(writeWindow(parseWindow(text)!), text);
  }
  assert.deepEqual(parseArea(writeArea(BOX)), BOX);
  for (const text of ["", "/", "2024", "2024-1-1/..", "2024-02-30/..", "2024-01-02/2024-01-01", "../..", "a/b"])
    assert.equal(parseWindow(text), null);
  for (const text of ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "0,50,1,40", "0,0,181,1", "1,2;3,4", "1,2;3;4,5", "1,,2,3"])
    assert.equal(parseArea(text), null);
});

test("what narrows a layer is told part by part", () => {
  assert.deepEqual(activeParts(parseQuestion("kind IN ('a')", SHARED, LAYER), "planted"), ["field kind", "time", "area"]);
  assert.deepEqual(activeParts(parseQuestion("kind > 'a'", SHARED, LAYER), null), ["custom", "area"]);
  assert.deepEqual(activeParts(parseQuestion("", { window: null, area: null }, LAYER), "planted"), []);
});

test("what is left without each part is the rest of the question", () => {
  const left = writeWithoutEach(parseQuestion("kind IN ('a')", SHARED, LAYER), LAYER);
  assert.deepEqual(
    [...left],
    [
      ["field kind", `planted >= DATE('2024-01-01') AND ${INSIDE}`],
      ["time", `(kind IN ('a')) AND ${INSIDE}`],
      ["area", "(kind IN ('a')) AND planted >= DATE('2024-01-01')"],
    ],
  );
  assert.deepEqual([...writeWithoutEach(parseQuestion("kind > 'a'", { window: null, area: null }, LAYER), LAYER)], [["custom", ""]]);
});
