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

test("a pattern with many % is looked up about as quickly as any other", () => {
  const text = "a".repeat(20_000);
  for (const pattern of ["%a".repeat(40) + "%b", "%_".repeat(40) + "b", "%".repeat(5_000) + "b", "%a_".repeat(20) + "b%"])
    assert.ok(!readPattern(pattern)(text));
  assert.ok(readPattern("%a".repeat(40) + "%")(text));
});

test("LIKE finds what a regular expression finds", () => {
  const parts = ["a", "b", "%", "_", "😀", "\\%", "\\_", "\\\\", "."];
  const plain = ["a", "b", "%", "_", "😀", "\\", ".", "\n"];
  let seed = 1;
  const pick = (from: string[]) => from[(seed = (seed * 48_271) % 2_147_483_647) % from.length]!;
  const some = (from: string[], most: number) => Array.from({ length: seed % most }, () => pick(from)).join("");
  for (let turn = 0; turn < 20_000; turn++) {
    pick(parts);
    const [pattern, text] = [some(parts, 7), some(plain, 6)];
    const expression = pattern.replace(/\\(.)|[^]/gu, (sign, taken: string | undefined) =>
      taken === undefined && sign === "%" ? "[^]*" : taken === undefined && sign === "_" ? "[^]" : (taken ?? sign).replace(/[.\\]/, "\\$&"),
    );
    assert.equal(readPattern(pattern)(text), new RegExp(`^${expression}$`, "u").test(text), JSON.stringify([pattern, text]));
  }
});

test("texts are folded as in the database", () => {
  assert.equal(foldText("STRASSE Straße ΣΟΦΟΣ", ["casei"]), "strasse strasse σοφοσ");
  assert.equal(foldText("Łódź Ærø", ["accenti"]), "Lodz Æro");
  assert.equal(foldText("ÁÉ", ["casei", "accenti"]), "ae");
});
