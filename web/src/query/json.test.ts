import assert from "node:assert/strict";
import { test } from "node:test";
import { parseExact, parseNumber } from "./json.ts";

test("whole numbers beyond 2^53 are told apart", () => {
  const found = parseExact('{"choices": [{"value": 9007199254740992}, {"value": 9007199254740993}, {"value": -9223372036854775808}]}');
  assert.deepEqual(found, { choices: [{ value: 9007199254740992n }, { value: 9007199254740993n }, { value: -9223372036854775808n }] });
});

test("other numbers, texts and ends of ranges are as ever", () => {
  const text =
    '{"a": 9007199254740991, "b": 0.12345678901234567, "c": "9007199254740993 \\" 1", "d": 1234567890123456e3, "min": 9223372036854775807, "e": "9007199254740993"}';
  assert.deepEqual(parseExact(text), JSON.parse(text));
  assert.equal(typeof (parseExact(text) as { min: unknown }).min, "number");
});

test("a number of a filter is exact when it is whole", () => {
  assert.equal(parseNumber("9007199254740993"), 9007199254740993n);
  assert.equal(parseNumber("-12"), -12);
  assert.equal(parseNumber("1e300"), 1e300);
});
