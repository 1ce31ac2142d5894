import assert from "node:assert/strict";
import test from "node:test";
import { askFound, isLongEnough, listOptions, middleOf, step, type Found } from "./found.ts";

const value = {
  layer: "crime",
  layer_title: "Reported crime",
  field: "category",
  field_title: "Category",
  value: "burglary",
  label: "Burglary",
  count: 7,
};
const layer = { layer: "crime", title: "Reported crime", theme: "Safety", field: null, field_title: null };
const place = {
  title: "Main Street",
  near: "Norrvik",
  kind: "primary",
  layer: "streets",
  id: 1,
  at: [25, 60],
  bounds: [25, 60, 25.01, 60],
};
const feature = { layer: "sites", layer_title: "Sites", id: 5, title: "Main plant", text: "P-5", at: [25, 60], bounds: [25, 60, 25, 60] };
const spot = { title: "60.00000, 25.00000", kind: "utm", at: [25, 60] };
const quick: Partial<Found> = { at: [spot], layers: [layer], values: [value], incomplete: [] };

test("what is asked is in the address as it is written, with the parts that are wanted and where the map stands", () => {
  assert.equal(
    askFound("rue d'été & 12", "places", "fr", "2.29,48.85").address,
    "api/search?q=rue%20d'%C3%A9t%C3%A9%20%26%2012&parts=places&limit=8&lang=fr&at=2.29,48.85",
  );
});

test("where the map stands is read from its address, roughly, so that a small move asks nothing new", () => {
  assert.equal(middleOf("?v=1&layers=a#12.3/48.8566/2.2944"), "2.29,48.86");
  assert.equal(middleOf("?v=1#9/-33.861/-0.001"), "0,-33.86");
  assert.equal(middleOf("?v=1"), "");
});

test("groups stand in one order however their answers come", () => {
  const groups = (answers: (Partial<Found> | null)[]): string[] => listOptions(answers).map(({ group }) => group);
  assert.deepEqual(groups([quick, { places: [place] }, { features: [feature] }]), ["at", "layers", "values", "places", "features"]);
  assert.deepEqual(groups([null, { places: [place] }, null]), ["places"]);
  assert.deepEqual(groups([{ features: [feature] }, quick]), ["at", "layers", "values", "features"]);
});

test("a value says its field and layer, and how many rows have it; chosen it is a filter", () => {
  const [found] = listOptions([{ values: [value] }]);
  assert.deepEqual([found!.title, found!.field, found!.detail, found!.count], ["Burglary", "Category", "Reported crime", 7]);
  assert.deepEqual(found!.target, { layer: "crime", field: "category", value: "burglary" });
});

test("a feature and a place say where to stand; without a map only the feature is there", () => {
  const answers = [quick, { places: [place] }, { features: [feature] }];
  const byGroup = new Map(listOptions(answers).map((option) => [option.group, option]));
  assert.deepEqual(byGroup.get("features")!.target.fid, 5);
  assert.equal(byGroup.get("places")!.target.at![0].toFixed(6), "25.005000");
  assert.equal(byGroup.get("at")!.detail, "UTM");
  assert.deepEqual(
    listOptions(answers, true).map(({ group }) => group),
    ["layers", "values", "features"],
  );
});

test("arrows go round, from the box to the first or the last", () => {
  const options = listOptions([quick]);
  const keys = options.map(({ key }) => key);
  assert.equal(step(options, null, 1), keys[0]);
  assert.equal(step(options, null, -1), keys[2]);
  assert.equal(step(options, keys[2]!, 1), keys[0]);
  assert.equal(step(options, keys[0]!, -1), keys[2]);
  assert.equal(step(options, "gone", 1), keys[0]);
  assert.equal(step([], null, 1), null);
});

test("one sign is enough where it is a word", () => {
  assert.deepEqual(["a", "é", "ab", "山", "π"].map(isLongEnough), [false, false, true, true, false]);
});
