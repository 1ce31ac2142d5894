import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "../query/server.ts";
import type { Field } from "../query/types.ts";
import { makeField } from "../testing/fake-server.ts";
import { foldText, parseCondition, readPattern } from "./condition.ts";

const FIELDS: Field[] = [
  makeField("category", "text", "choice"),
  makeField("value", "number", "range"),
  makeField("seen", "timestamp", "range"),
  makeField("lit", "boolean", "choice"),
];

const read = (text: string): unknown => parseCondition(text, FIELDS);
const refusal = (text: string): string => {
  try {
    read(text);
  } catch (error) {
    assert.ok(error instanceof ApiError && error.status === 400 && error.parameter === "filter");
    return error.message;
  }
  assert.fail(`${text} was read`);
};

test("a filter is read with OR around AND, and brackets around both", () => {
  const shape = (node: unknown): unknown => {
    const { op, parts, part } = node as { op: string; parts?: unknown[]; part?: unknown };
    return parts ? [op, ...parts.map(shape)] : part ? [op, shape(part)] : op;
  };
  assert.deepEqual(shape(read("value > 1 AND lit OR category IS NULL")), ["or", ["and", "number", "number"], "null"]);
  assert.deepEqual(shape(read("value > 1 AND (lit = FALSE OR category IN ('a','b'))")), ["and", "number", ["or", "number", "texts"]]);
  assert.deepEqual(shape(read("NOT value BETWEEN 1 AND 2")), ["not", ["and", "number", "number"]]);
  assert.equal(read("  "), null);
});

test("what is beyond the page is refused with a word of what it was", () => {
  assert.match(refusal("value * 2 > 3"), /more than this frozen map can look up/);
  assert.match(refusal("T_AFTER(seen,DATE('2024-01-01'))"), /T_AFTER/);
  assert.match(refusal("S_WITHIN(geometry,BBOX(1,2,3,4))"), /S_WITHIN/);
  assert.match(refusal("colour = 'red'"), /got 'colour'; expected one of the queryables category, value, seen, lit, geometry/);
  assert.match(refusal("category = 'red"), /quotation mark/);
  assert.match(refusal("seen > DATE('2024-02-30')"), /2024-02-30/);
  assert.match(refusal("value > 1 value < 2"), /value/);
});

test("LIKE takes % and _ for anything, and a backslash before them for themselves", () => {
  assert.ok(readPattern("%a.b%")("xa.by"));
  assert.ok(!readPattern("%a.b%")("xaxby"));
  assert.ok(readPattern("_é%")("aé\nb"));
  assert.ok(readPattern("100\\%")("100%"));
  assert.ok(!readPattern("100\\%")("1000"));
  assert.ok(readPattern("_")("😀"));
  assert.throws(() => readPattern("100\\"), /escape character/);
});

test("texts are folded as in the database", () => {
  assert.equal(foldText("STRASSE Straße ΣΟΦΟΣ", ["casei"]), "strasse strasse σοφοσ");
  assert.equal(foldText("Łódź Ærø", ["accenti"]), "Lodz Æro");
  assert.equal(foldText("ÁÉ", ["casei", "accenti"]), "ae");
});
