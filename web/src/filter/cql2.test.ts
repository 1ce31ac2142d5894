import assert from "node:assert/strict";
import { test } from "node:test";
import { addDays } from "../ui/dates.ts";
import { writeFilter, type Clauses } from "./cql2.ts";
import { parseFilter } from "./parser.ts";
import { makeField } from "../testing/fake-server.ts";

const FIELDS = [
  makeField("category", "text", "choice"),
  makeField("lanes", "integer", "choice"),
  makeField("lit", "boolean", "choice"),
  makeField("reported_at", "timestamp", "range"),
  makeField("planted", "date", "range"),
  makeField("height", "number", "range"),
  makeField("species", "text", "search"),
  makeField("incident", "text", "none"),
];

const CASES: [Clauses, string][] = [
  [{}, ""],
  [{ category: { kind: "choice", values: [] } }, ""],
  [{ category: { kind: "choice", values: ["theft", "o'clock"] } }, "category IN ('theft','o''clock')"],
  [{ category: { kind: "choice", values: [null] } }, "category IS NULL"],
  [{ lanes: { kind: "choice", values: [1, -2, null] } }, "(lanes IN (1,-2) OR lanes IS NULL)"],
  [{ lanes: { kind: "choice", values: [9007199254740992n, 9007199254740993n] } }, "lanes IN (9007199254740992,9007199254740993)"],
  [{ lit: { kind: "choice", values: [true, false] } }, "lit IN (TRUE,FALSE)"],
  [
    { reported_at: { kind: "range", from: "2023-12-31", to: "2024-02-29" } },
    "reported_at >= TIMESTAMP('2023-12-31T00:00:00Z') AND reported_at < TIMESTAMP('2024-03-01T00:00:00Z')",
  ],
  [{ planted: { kind: "range", from: null, to: "2024-02-29" } }, "planted <= DATE('2024-02-29')"],
  [{ height: { kind: "range", from: -1.5, to: 20 } }, "height >= -1.5 AND height <= 20"],
  [{ height: { kind: "range", from: 2.5, to: 5, under: true } }, "height >= 2.5 AND height < 5"],
  [{ species: { kind: "search", text: "50%_\\x" } }, "CASEI(species) LIKE CASEI('%50\\%\\_\\\\x%')"],
  [
    { height: { kind: "range", from: 2, to: null }, category: { kind: "choice", values: ["a", null] } },
    "(category IN ('a') OR category IS NULL) AND height >= 2",
  ],
];

for (const [clauses, text] of CASES) {
  test(`writes and reads again: ${text || "nothing"}`, () => {
    assert.equal(writeFilter(clauses, FIELDS), text);
    assert.equal(writeFilter(parseFilter(text, FIELDS)!, FIELDS), text);
  });
}

test("reads relatives of what it writes", () => {
  assert.deepEqual(parseFilter("category='burglary' and \"height\">=2", FIELDS), {
    category: { kind: "choice", values: ["burglary"] },
    height: { kind: "range", from: 2, to: null },
  });
});

for (const text of [
  "category = 'a' OR category = 'b'",
  "category = 'a' AND category = 'b'",
  "(category = 'a' OR lanes = 1)",
  "category = 5",
  "category <> 'a'",
  "NOT category = 'a'",
  "incident = 'a'",
  "unknown = 'a'",
  "height > 2",
  "height >= 2 AND height >= 3",
  "height BETWEEN 1 AND 2",
  "reported_at >= TIMESTAMP('2024-01-01T12:00:00Z')",
  "reported_at >= TIMESTAMP('2024-02-30T00:00:00Z')",
  "S_INTERSECTS(geometry, POINT(1 2))",
  "species LIKE 'a%'",
  "category IN ('a'",
  "category IN ('a') AND",
  "category = 'it''s",
  "(((",
  ";",
]) {
  test(`leaves alone what the controls cannot show: ${text}`, () => assert.equal(parseFilter(text, FIELDS), null));
}

test("the last day that can be told has no end, and days behind it are counted back from", () => {
  const until = (to: string): string => writeFilter({ reported_at: { kind: "range", from: "2024-01-01", to } }, FIELDS);
  assert.equal(until("9999-12-31"), "reported_at >= TIMESTAMP('2024-01-01T00:00:00Z')");
  assert.equal(until("9999-12-30").endsWith("reported_at < TIMESTAMP('9999-12-31T00:00:00Z')"), true);
  assert.equal(writeFilter({ reported_at: { kind: "range", from: null, to: "9999-12-31" } }, FIELDS), "");
  assert.equal(addDays("10000-01-01", -1), "9999-12-31");
  assert.equal(addDays("9999-12-31", 1), "10000-01-01");
  assert.equal(addDays("0001-01-01", 1), "0001-01-02");
  assert.equal(addDays("0001-12-31 BC", 1), "0001-01-01");
});
