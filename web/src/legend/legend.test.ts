import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clauses } from "../filter/cql2.ts";
import type { LayerDetail, LegendEntry, Scalar } from "../query/types.ts";
import { visibleEntries } from "./legend.ts";

const entry = (label: string, value?: Scalar | Scalar[], title = "Kind"): LegendEntry =>
  ({ kind: "circle", label, title, color: "#000000", ...(value === undefined ? {} : { value }) }) as LegendEntry;

/** A layer whose legend explains kinds, with a size in grey; `rest` has no class of its own. */
function layer(...legend: LegendEntry[]): LayerDetail {
  const choices = ["a", "b", "c", "d", "rest"].map((value) => ({ value, label: value, count: 1 }));
  return { legend, fields: [{ name: "kind", filter: "choice", choices }] } as unknown as LayerDetail;
}

const SEVERAL = layer(entry("Alpha, Beta, Gamma", ["a", "b", "c"]), entry("Delta", "d"), entry("Other"), entry("2 m", undefined, "Height"));

function labels(known: LayerDetail, ...values: Scalar[]): string[] {
  const clauses: Clauses = { kind: { kind: "choice", values } };
  return visibleEntries(known, clauses).map(({ label }) => label);
}

test("a class of several values names those alone that were chosen, in the order of the legend", () => {
  assert.deepEqual(labels(SEVERAL, "b"), ["Beta", "2 m"]);
  assert.deepEqual(labels(SEVERAL, "c", "a"), ["Alpha, Gamma", "2 m"]);
  assert.deepEqual(labels(SEVERAL, "d", "b"), ["Beta", "Delta", "2 m"]);
});

test("a class with a name of its own keeps it", () => {
  const named = layer(entry("Violence", ["a", "b"]), entry("Delta", "d"));
  assert.deepEqual(labels(named, "b"), ["Violence"]);
});

test("what has no class of its own is the rest, which is named only then", () => {
  assert.deepEqual(labels(SEVERAL, "rest"), ["Other", "2 m"]);
  assert.deepEqual(labels(SEVERAL, "a", "rest"), ["Alpha", "Other", "2 m"]);
});

test("without a choice, under another filter, and where nothing is left, the whole legend holds", () => {
  const whole = ["Alpha, Beta, Gamma", "Delta", "Other", "2 m"];
  assert.deepEqual(labels(SEVERAL), whole);
  assert.deepEqual(visibleEntries(SEVERAL, null), SEVERAL.legend);
  assert.deepEqual(labels(layer(entry("Alpha", "a"), entry("Beta", "b")), "rest"), ["Alpha", "Beta"]);
});
