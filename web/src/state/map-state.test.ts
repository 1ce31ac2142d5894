import assert from "node:assert/strict";
import { after, mock, test } from "node:test";
import { flushSync } from "svelte";
import { listLoosening, loosen } from "../filter/loosening.ts";
import { parseQuestion, setClause } from "../filter/reading.ts";
import fr from "../messages/fr.ts";
import { Queries } from "../query/queries.ts";
import type { LayerDetail } from "../query/types.ts";
import { countOf, FakeServer, ROOT } from "../testing/fake-server.ts";
import { TONGUES } from "../testing/tongues.ts";
import type { AddressBar } from "./history.ts";
import { MapState } from "./map-state.svelte.ts";

const SEVEN = ["crime", "bike-paths", "trees", "sewage-sampling", "air-quality", "districts", "schools"];
const closing: (() => void)[] = [];
after(() => closing.forEach((close) => close()));

/** An address bar, and the steps that "back" would undo. */
class Bar implements AddressBar {
  steps: string[];

  constructor(address: string) {
    this.steps = [address];
  }

  get address(): string {
    return this.steps.at(-1)!;
  }

  read(): { search: string; hash: string } {
    return new URL(this.address, ROOT);
  }

  push(address: string): void {
    this.steps.push(address);
  }

  replace(address: string): void {
    this.steps[this.steps.length - 1] = address;
  }
}

interface Page {
  server: FakeServer;
  state: MapState;
  bar: Bar;
}

function open(address = "?", server = new FakeServer(SEVEN)): Page {
  const queries = new Queries({ root: ROOT, fetch: server.fetch });
  const bar = new Bar(address);
  const state = new MapState(queries, bar, TONGUES, null, parseQuestion);
  closing.push(() => (state.close(), queries.close()));
  return { server, state, bar };
}

/** Let everything that has been set going come to rest. */
async function rest(): Promise<void> {
  for (let round = 0; round < 5; round += 1) {
    flushSync();
    await new Promise((done) => setTimeout(done));
  }
}

/** Answer what waits, in the order that `pick` says, until nothing waits any more. */
async function serve(server: FakeServer, pick: (waiting: number) => number = () => 0): Promise<void> {
  await rest();
  for (let most = 500; server.waiting.length && most; most -= 1) {
    server.waiting[pick(server.waiting.length)]!.answer();
    await rest();
  }
  assert.equal(server.waiting.length, 0, "it asks for ever");
}

const repeated = (asked: string[]): string[] => asked.filter((address, index) => asked.indexOf(address) !== index);
const all = `?layers=${SEVEN.join(",")}`;
const filtered = `${all}${SEVEN.map((id) => `&filter.${id}=kind = '${id}'`).join("")}`;
const detail = (state: MapState, id: string): LayerDetail => state.known.detail(id)!;

const ORDERS: [string, (waiting: number) => number][] = [
  ["as they were asked", () => 0],
  ["the last first", (waiting) => waiting - 1],
  ...[3, 17, 99].map((seed): [string, (waiting: number) => number] => [
    `at random (${seed})`,
    (waiting) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % waiting,
  ]),
];

for (const [order, pick] of ORDERS) {
  test(`seven layers, answers ${order}: every count arrives, and nothing is asked twice`, async () => {
    const { server, state } = open(all);
    await serve(server, pick);
    for (const layer of server.layers) {
      assert.equal(state.known.result(layer.id)?.count, layer.count);
      assert.equal(state.known.counting(layer.id), false);
      assert.ok(state.known.detail(layer.id));
    }
    assert.deepEqual(repeated(server.asked), []);
    assert.equal(server.asked.length, 3 + 2 * SEVEN.length, server.asked.join("\n"));
    assert.deepEqual(Object.keys(state.known.scene!.tiles).sort(), [...SEVEN].sort());
  });

  test(`seven filtered layers, answers ${order}: counts, plans and one style, at most three requests a layer`, async () => {
    const { server, state } = open(filtered);
    state.opened = [];
    await serve(server, pick);
    for (const { id } of server.layers) assert.equal(state.known.result(id)?.count, countOf(id, `kind = '${id}'`));
    assert.deepEqual(repeated(server.asked), []);
    assert.equal(server.asked.length, 3 + 3 * SEVEN.length, server.asked.join("\n"));
    const styles = server.asked.filter((address) => address.startsWith("styles/"));
    assert.deepEqual(styles, [`styles/light.json?layers=${[...SEVEN].sort().join(",")}&features-from=3,3,3,3,3,3,3&lang=en`]);
    assert.match(state.known.scene!.tiles["trees"]!.tiles[0]!, /filter=kind = 'trees'/);
    assert.equal(state.known.featuresFrom("trees"), 3);
  });
}

test("open controls are counted without their own part, and closing them stops no count", async () => {
  const { server, state } = open("?layers=crime&filter.crime=kind IN ('a') AND height >= 2");
  await serve(server);
  const asked = server.asked.filter((address) => address.includes("summary")).map((address) => address.replaceAll("%27", "'"));
  assert.deepEqual(asked, [
    "api/layers/crime/summary?filter=kind%20IN%20('a')%20AND%20height%20%3E=%202&fields=seen",
    "api/layers/crime/summary?filter=height%20%3E=%202&fields=kind",
    "api/layers/crime/summary?filter=kind%20IN%20('a')&fields=height",
  ]);
  state.openFilters("crime", false);
  await serve(server);
  assert.equal(state.known.result("crime")?.count, countOf("crime", "kind IN ('a') AND height >= 2"));
});

test("answers that do not come are told, and come when they are asked for again", async () => {
  const { server, state } = open(filtered);
  await rest();
  server.find("api/layers").lose();
  await rest();
  assert.equal(state.status, "failed");
  state.known.retryAll();
  await rest();
  server.find("api/layers").answer();
  await rest();
  server.find("api/layers/trees?".slice(0, -1)).answer({ detail: "on fire" }, 500);
  await serve(server);
  assert.equal(state.known.failed("trees"), true);
  assert.equal(state.known.failed("crime"), false);
  state.known.retry("trees");
  await serve(server);
  assert.equal(state.known.failed("trees"), false);
  assert.ok(state.known.detail("trees"));
});

test("while the server is gone what is drawn stays, and what was asked meanwhile comes by itself when it is back", async () => {
  const { server, state } = open(all);
  await serve(server);
  const { scene } = state.known;
  state.setFilter("crime", "kind = 'a'");
  await new Promise((done) => setTimeout(done, 200));
  for (let most = 20; server.waiting.length && most; most -= 1) {
    server.waiting[0]!.lose();
    await rest();
  }
  assert.equal(state.known.presence.gone, true);
  assert.equal(state.known.scene, scene);
  assert.deepEqual(server.waiting, [], "it does not wait before it asks again");
  state.known.presence.hurry();
  await serve(server);
  assert.equal(state.known.presence.gone, false);
  assert.equal(state.known.result("crime")?.count, countOf("crime", "kind = 'a'"));
  assert.deepEqual(state.known.scene!.failed, []);
  assert.match(state.known.scene!.tiles["crime"]!.tiles[0]!, /kind = 'a'/);
});

test("without a map the first rows are asked for, and nothing that only a map needs", async () => {
  const { server, state } = open("?layers=crime,trees&filter.crime=kind = 'a'");
  state.blind = true;
  await serve(server);
  assert.deepEqual(
    state.known.first.map(({ layer, fid }) => [layer, fid]),
    [
      ["crime", 1],
      ["trees", 1],
    ],
  );
  assert.equal(state.known.result("crime")?.count, countOf("crime", "kind = 'a'"));
  assert.deepEqual(
    server.asked.filter((address) => /^(tiles|styles)/.test(address)),
    [],
  );
});

test("a refused filter is told at its layer, which is not drawn, and the others are", async () => {
  const { server, state } = open("?layers=crime,trees&filter.trees=nonsense");
  await rest();
  server.find("api/layers").answer();
  await rest();
  server.find("api/layers/trees").answer();
  await rest();
  for (const address of ["tiles/trees.json", "trees/summary"]) {
    server.find(address).answer({ detail: "nonsense is no field", parameter: "filter" }, 400);
    await rest();
  }
  await serve(server);
  assert.equal(state.known.refusal("trees"), "nonsense is no field");
  assert.equal(state.known.failed("trees"), false);
  assert.deepEqual(Object.keys(state.known.scene!.tiles), ["crime"]);
  assert.deepEqual(Object.keys(state.known.scene!.style["sources"] as object), ["crime"]);
  state.setFilter("trees", "");
  await serve(server);
  assert.equal(state.known.refusal("trees"), null);
  assert.deepEqual(Object.keys(state.known.scene!.tiles).sort(), ["crime", "trees"]);
});

test("what is no longer wanted is broken off, and only the last of many values is asked", async () => {
  const { server, state } = open("?layers=crime,trees");
  await serve(server);
  state.setFilter("crime", "height >= 1");
  await rest();
  const [first] = server.waiting;
  assert.match(first!.address, /crime\/summary/);
  state.toggle("crime");
  await rest();
  assert.equal(first!.aborted, true);
  assert.equal(
    server.waiting.every(({ address }) => !address.includes("crime")),
    true,
  );
  state.toggle("crime");
  await serve(server);
  server.asked = [];
  for (let value = 2; value < 30; value += 1) state.setFilter("crime", `height >= ${value}`);
  await rest();
  assert.equal(state.known.counting("crime"), true);
  await new Promise((done) => setTimeout(done, 200));
  await serve(server);
  assert.deepEqual(server.asked.filter((address) => address.includes("crime")).length, 2, server.asked.join("\n")); // count and plan; the style is that of the plan before
  assert.equal(state.known.result("crime")?.count, countOf("crime", "height >= 29"));
});

test("an edit is noticed: what was known of that layer is asked anew, and of no other", async () => {
  const { server, state } = open("?layers=crime,trees&filter.crime=height >= 1");
  await serve(server);
  server.asked = [];
  server.layers = server.layers.map((layer) => (layer.id === "crime" ? { ...layer, version: "2", count: 5 } : layer));
  state.known.look();
  await serve(server);
  assert.deepEqual(
    server.asked.filter((address) => !address.startsWith("styles/")).map((address) => address.split("?")[0]),
    ["api/layers", "api/layers/crime", "api/layers/crime/summary", "api/layers/crime/summary", "tiles/crime.json"].sort(),
  );
  assert.equal(state.known.scene!.versions["crime"], "2");
});

test("what is narrowed to another layer's feature is asked anew when that layer is edited, and drawn anew", async () => {
  const { server, state } = open("?layers=crime,trees&area=feature:districts/3&filter.trees=S_INTERSECTS(geometry,FEATURE('schools',1))");
  await serve(server);
  const area = "S_INTERSECTS(geometry,FEATURE('districts',3))";
  assert.equal(state.known.filter("crime"), area);
  assert.deepEqual(state.known.scene!.versions, { crime: "1", trees: "1", districts: "1", schools: "1" });
  for (const [edited, concerned] of [
    ["districts", ["crime", "trees"]],
    ["schools", ["trees"]],
    ["air-quality", []],
  ] as const) {
    server.asked = [];
    server.layers = server.layers.map((layer) => (layer.id === edited ? { ...layer, version: "2" } : layer));
    state.known.look();
    await serve(server);
    const asked = server.asked.filter((address) => /summary|^tiles/.test(address)).map((address) => address.split("?")[0]);
    assert.deepEqual(asked.sort(), concerned.flatMap((id) => [`api/layers/${id}/summary`, `tiles/${id}.json`]).sort());
  }
  assert.deepEqual(state.known.scene!.versions, { crime: "1", trees: "1", districts: "2", schools: "2" });
});

test("a pin is in the address and no step of its own; what is selected is told before it", async () => {
  const { server, state, bar } = open("?layers=crime&pin=1,2,1000");
  await serve(server);
  assert.deepEqual(state.pin, { at: [1, 2], radius: 1000, title: "" });
  state.setPin([3, 4], "Station");
  assert.deepEqual(state.pin, { at: [3, 4], radius: 1000, title: "Station" });
  assert.equal(bar.steps.length, 1);
  assert.match(bar.address, /&pin=3,4,1000/);
  state.select({ layer: "crime", fid: 1, at: null });
  assert.notEqual(state.told, "3,4");
  state.untell();
  assert.equal(state.told, "3,4");
  state.readAddress();
  assert.equal(state.pin?.title, "Station");
  state.setPin([180.5, 4]);
  assert.deepEqual(state.pin?.at, [-179.5, 4]);
  state.untell();
  assert.deepEqual([state.told, state.pin, bar.address.includes("pin"), state.canUndo], [undefined, null, false, false]);
});

test("area and time that are taken out as soon as they are chosen come back by undoing that", async () => {
  const { server, state } = open("?layers=crime");
  await serve(server);
  state.setArea({ kind: "circle", at: [1, 2], radius: 500 });
  state.setArea(null);
  state.undo();
  assert.deepEqual(state.area, { kind: "circle", at: [1, 2], radius: 500 });
  state.setWindow({ from: "2024-01-01", to: null });
  state.setWindow(null);
  state.undo();
  assert.deepEqual(state.window, { from: "2024-01-01", to: null });
});

test("an area of any kind is a step that is taken back", async () => {
  const { server, state, bar } = open("?layers=crime");
  await serve(server);
  state.setArea({ kind: "circle", at: [1, 2], radius: 500 });
  assert.match(bar.address, /&area=circle:1,2,500/);
  state.undo();
  assert.equal(state.area, null);
  state.setArea({ kind: "feature", layer: "districts", fid: 3 });
  assert.match(bar.address, /&area=feature:districts\/3/);
  state.clearAll("crime");
  assert.equal(state.area, null);
  state.undo();
  assert.deepEqual(state.area, { kind: "feature", layer: "districts", fid: 3 });
});

test("a time window and an area narrow every layer that they fit, with its own time field", async () => {
  const { server, state, bar } = open(
    "?layers=crime,bike-paths&filter.crime=kind = 'a' OR height > 2&time=2024-01-01/2024-01-31&area=0,0,1,1",
  );
  await serve(server);
  const area = "S_INTERSECTS(geometry,BBOX(0,0,1,1))";
  const time = "seen >= TIMESTAMP('2024-01-01T00:00:00Z') AND seen < TIMESTAMP('2024-02-01T00:00:00Z')";
  assert.equal(state.known.filter("crime"), `(kind = 'a' OR height > 2) AND ${time} AND ${area}`);
  assert.equal(state.known.filter("bike-paths"), area); // it has no time
  for (const id of ["crime", "bike-paths"]) {
    const filter = state.known.filter(id)!;
    assert.equal(state.known.result(id)?.count, countOf(id, filter));
    assert.ok(state.known.scene!.tiles[id]!.tiles[0]!.includes(`filter=${filter}`));
  }
  state.setWindow(null);
  state.setArea({
    kind: "polygon",
    ring: [
      [0, 0],
      [1, 0],
      [1, 1],
    ],
  });
  await new Promise((done) => setTimeout(done, 200));
  await serve(server);
  assert.equal(state.known.filter("bike-paths"), "S_INTERSECTS(geometry,POLYGON((0 0,1 0,1 1,0 0)))");
  assert.equal(new URL(bar.address, ROOT).searchParams.get("area"), "0,0;1,0;1,1");
  assert.equal(new URL(bar.address, ROOT).searchParams.get("time"), null);
});

test("the address states the layers as soon as they are known, and keeps what the page does not know", async () => {
  const { server, state, bar } = open("?x=1&filter.gone=a = 1");
  await serve(server);
  assert.deepEqual(state.on, ["crime", "bike-paths"]);
  assert.equal(bar.address, "?v=1&layers=crime,bike-paths&filter.gone=a%20=%201&x=1");
  assert.deepEqual(state.unknown, ["x"]);
  // The catalogue shows others at first from now on; this link does not.
  server.layers = server.layers.map((layer) => ({ ...layer, visible: layer.id === "schools" }));
  const later = open(bar.address, server);
  await serve(server);
  assert.deepEqual(later.state.on, ["crime", "bike-paths"]);
  state.dismiss();
  assert.deepEqual(state.unknown, []);
  assert.match(state.link, /&x=1$/);
});

test("a layer that the catalogue does not have is named, kept in the address, and shown once it is there", async () => {
  const { server, state, bar } = open("?layers=unicorns,trees");
  await serve(server);
  assert.deepEqual([state.missing, state.on], [["unicorns"], ["trees"]]);
  state.toggle("crime");
  assert.equal(bar.address, "?v=1&layers=unicorns,trees,crime");
  server.layers = [...server.layers, { ...server.layers[0]!, id: "unicorns" }];
  state.known.look();
  await serve(server);
  assert.deepEqual([state.missing, state.on], [[], ["unicorns", "trees", "crime"]]);
});

test("a layer that chart and table are to tell of, and that the catalogue does not have, is named", async () => {
  const { server, state, bar } = open("?layers=trees&tab=chart&of=unicorns");
  await serve(server);
  assert.deepEqual([state.missing, state.subject], [["unicorns"], "trees"]);
  state.dismiss();
  assert.deepEqual(state.missing, []);
  assert.match(bar.address, /&of=unicorns$/);
});

test("what is selected is in the address, and asked for when it comes from one", async () => {
  const { server, state, bar } = open("?layers=trees&select=trees/7");
  await serve(server);
  assert.ok(server.asked.includes("api/layers/trees/features/7"));
  assert.deepEqual(state.known.feature.data?.geometry, { type: "Point", coordinates: [0, 0] });
  state.select({ layer: "trees", fid: 8, at: [1, 1] });
  await serve(server);
  assert.equal(bar.address, "?v=1&layers=trees&select=trees/8");
  state.toggle("trees");
  assert.equal(bar.address, "?v=1&layers=");
  assert.equal(state.selection, null);
});

test("two states on one page do not know of each other, and share what they both ask", async () => {
  const server = new FakeServer(SEVEN);
  const queries = new Queries({ root: ROOT, fetch: server.fetch });
  const bars = [new Bar("?layers=crime"), new Bar("?layers=crime,trees&base=dark")] as const;
  const [one, two] = bars.map((bar) => new MapState(queries, bar, TONGUES)) as [MapState, MapState];
  await serve(server);
  assert.deepEqual(repeated(server.asked), []);
  one.setFilter("crime", "height >= 3");
  one.setWindow({ from: "2024-01-01", to: null });
  one.toggle("schools");
  one.select({ layer: "crime", fid: 1, at: null });
  one.moved({ zoom: 3, lat: 1, lon: 2 });
  await serve(server);
  assert.deepEqual([two.on, two.filters, two.window, two.selection, two.theme], [["crime", "trees"], {}, null, null, "dark"]);
  assert.equal(bars[1].address, "?v=1&layers=crime,trees&base=dark");
  assert.equal(two.known.result("crime")?.count, 1000);
  one.close();
  two.setFilter("crime", "height >= 4");
  await new Promise((done) => setTimeout(done, 200));
  await serve(server);
  assert.equal(two.known.result("crime")?.count, countOf("crime", "height >= 4"));
  two.close();
  queries.close();
});

test("a clause of a control changes its own part alone", async () => {
  const { server, state } = open("?layers=crime&filter.crime=kind IN ('a') AND height >= 2");
  await serve(server);
  setClause(state, detail(state, "crime"), "height", { kind: "range", from: 3, to: 4 });
  assert.equal(state.filters["crime"], "kind IN ('a') AND height >= 3 AND height <= 4");
  setClause(state, detail(state, "crime"), "height", null);
  assert.equal(state.filters["crime"], "kind IN ('a')");
});

test("words are asked for in the language of the page, and asked anew when it is another", async () => {
  const { server, state } = open("?layers=crime&lang=en");
  await serve(server);
  const words = (): string[] =>
    server.asked.filter((address) => address.startsWith("api/layers")).map((address) => /lang=\w+/.exec(address)![0]);
  assert.deepEqual(words(), ["lang=en", "lang=en", "lang=en"]);
  const files = { fr: () => Promise.resolve({ default: fr }) };
  const queries = new Queries({ root: ROOT, fetch: server.fetch });
  const other = new MapState(queries, new Bar("?layers=crime"), { ...TONGUES, files, preferred: ["it", "fr-CA"], offered: ["en", "fr"] });
  await serve(server);
  assert.deepEqual([other.words.code, state.words.code], ["fr", "en"]);
  other.setLanguage("en");
  await serve(server);
  assert.deepEqual(words().slice(3), ["lang=fr", "lang=fr", "lang=fr", "lang=en", "lang=en", "lang=en"]);
  assert.equal(other.words.t("rows"), "entries");
  other.close();
  queries.close();
});

test("where nothing matches it is counted which part of the filter is in the way, in one request a part", async () => {
  const { server, state } = open("?layers=crime&filter.crime=kind IN ('a') AND height >= 2&time=2024-01-01/..");
  closing.push(state.known.also(() => listLoosening(state, "crime")));
  state.opened = [];
  await rest();
  server.find("api/layers").answer();
  await rest();
  server.find("api/layers/crime").answer();
  await rest();
  server.find("summary").answer({ layer: "crime", total: 1000, count: 0, facets: {}, histograms: {} });
  await serve(server);
  assert.deepEqual(
    loosen(state, "crime")?.map(({ part }) => part),
    ["field height", "field kind", "time"],
  );
  const time = "seen >= TIMESTAMP('2024-01-01T00:00:00Z')";
  assert.equal(loosen(state, "crime")?.[0]!.count, countOf("crime", `(kind IN ('a')) AND ${time}`));
  assert.equal(state.known.counting("crime"), false);
  assert.deepEqual(repeated(server.asked), []);
  state.clearAll("crime");
  await serve(server);
  assert.deepEqual(loosen(state, "crime"), []);
});

test("undo takes back choices of layers and filters one by one, and leaves the place and the light", async () => {
  const { server, state, bar } = open("?layers=crime#11/1/2");
  await serve(server);
  assert.equal(state.canUndo, false);
  state.setFilter("crime", "height >= 3");
  state.setBase("dark");
  state.toggle("trees");
  state.setWindow({ from: "2024-01-01", to: null });
  state.moved({ zoom: 12, lat: 3, lon: 4 });
  const steps = bar.steps.length;
  state.undo();
  assert.deepEqual([state.window, state.on], [null, ["crime", "trees"]]);
  state.undo();
  assert.deepEqual([state.on, state.filters], [["crime"], { crime: "height >= 3" }]);
  state.undo();
  assert.deepEqual([state.filters, state.canUndo], [{}, false]);
  assert.equal(bar.address, "?v=1&layers=crime&base=dark#12/3.00000/4.00000");
  assert.equal(bar.steps.length, steps);
  await serve(server);
});

test("what is set and at once taken out again is two steps, and what is moved there and back is none", async () => {
  const { server, state } = open("?layers=crime");
  await serve(server);
  setClause(state, detail(state, "crime"), "height", { kind: "range", from: 3, to: 4 });
  setClause(state, detail(state, "crime"), "height", { kind: "range", from: 3, to: 5 });
  setClause(state, detail(state, "crime"), "height", null);
  state.undo();
  assert.equal(state.filters["crime"], "height >= 3 AND height <= 5");
  state.undo();
  assert.deepEqual([state.filters, state.canUndo], [{}, false]);
  state.setFilter("crime", "height >= 3", "height");
  state.setFilter("crime", "", "height");
  assert.equal(state.canUndo, false);
  await serve(server);
});

test("what is set and taken out before it was asked for leaves nothing to wait for", async () => {
  const { server, state } = open("?layers=crime");
  await serve(server);
  const before = server.asked.length;
  state.setFilter("crime", "height >= 3");
  await rest();
  assert.deepEqual([state.known.drawing, state.known.counting("crime")], [true, true]);
  state.setFilter("crime", "");
  await serve(server);
  assert.deepEqual([state.known.drawing, state.known.counting("crime")], [false, false]);
  assert.deepEqual(repeated(server.asked.slice(before)), []);
});

test("back and undo agree on what was chosen before", async () => {
  const { server, state, bar } = open("?layers=crime");
  await serve(server);
  state.setFilter("crime", "height >= 3");
  state.toggle("trees");
  bar.steps.pop();
  assert.equal(state.outdated, true);
  state.readAddress();
  assert.equal(state.outdated, false);
  assert.deepEqual([state.on, state.filters], [["crime"], { crime: "height >= 3" }]);
  state.undo();
  assert.deepEqual([state.filters, state.canUndo], [{}, false]);
  await serve(server);
});

test("a map that nobody has moved tells its place, unless the address holds something else there", async () => {
  const { server, state, bar } = open("?layers=crime");
  await serve(server);
  state.stands({ zoom: 10, lat: 45, lon: -28 });
  assert.match(bar.address, /#10\/45\.00000\/-28\.00000$/);
  const other = open("?layers=crime#chapter");
  await serve(other.server);
  other.state.stands({ zoom: 10, lat: 45, lon: -28 });
  assert.match(other.bar.address, /#chapter$/);
});

test("where a layer's time field cannot be had, it is said, and the other layers are drawn", async () => {
  const { server, state } = open("?layers=crime,bike-paths&time=2024-01-01/2024-02-01");
  await rest();
  server.find("api/layers").answer();
  await rest();
  server.find("api/layers/crime").answer({ title: "Gone" }, 404);
  await serve(server);
  assert.deepEqual([state.known.drawing, state.known.counting("crime"), state.known.failed("crime")], [false, false, true]);
  assert.deepEqual(Object.keys(state.known.scene!.tiles), ["bike-paths"]);
  assert.deepEqual(state.known.scene!.failed, ["crime"]);
  state.known.retry("crime");
  await serve(server);
  assert.deepEqual(Object.keys(state.known.scene!.tiles).sort(), ["bike-paths", "crime"]);
  assert.deepEqual(state.known.scene!.failed, []);
});

test("the number of one filter never stands beside another whose own could not be had", async () => {
  const { server, state } = open("?layers=crime&filter.crime=height >= 1");
  await serve(server);
  assert.equal(state.known.result("crime")?.count, countOf("crime", "height >= 1"));
  state.setFilter("crime", "height >= 2222");
  await new Promise((done) => setTimeout(done, 200));
  await rest();
  server.find("summary").answer({ title: "Busy" }, 503);
  await rest();
  assert.equal(state.known.result("crime"), undefined);
  await new Promise((done) => setTimeout(done, 1200));
  await serve(server);
  assert.equal(state.known.result("crime")?.count, countOf("crime", "height >= 2222"));
});

test("a filter that is refused for another reason than its words is told like one", async () => {
  const { server, state } = open("?layers=crime,trees&filter.trees=height >= 1");
  state.opened = [];
  await rest();
  server.find("api/layers").answer();
  await rest();
  for (const address of ["tiles/trees.json", "trees/summary"]) server.find(address).answer({ title: "Too long" }, 431);
  await serve(server);
  assert.equal(state.known.refusal("trees"), "Too long");
  assert.deepEqual([state.known.drawing, state.known.counting("trees")], [false, false]);
  assert.deepEqual(Object.keys(state.known.scene!.tiles), ["crime"]);
});

for (let seed = 1; seed <= 25; seed += 1) {
  test(`whatever is chosen and however it is answered, in the end nothing is waited for (${seed})`, async () => {
    mock.timers.enable({ apis: ["setTimeout", "Date"] });
    try {
      await walk(seed);
    } finally {
      mock.timers.reset();
    }
  });
}

/** Choose and answer at random while time passes; then answer all, and see that what is known is that of the last choice. */
async function walk(seed: number): Promise<void> {
  const draw = (most: number): number => Math.floor(((seed = (seed * 1103515245 + 12345) % 2 ** 31) / 2 ** 31) * most);
  const { server, state } = open("?layers=crime,trees");
  const pause = async (): Promise<void> => {
    flushSync();
    for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
    flushSync();
  };
  const choose = [
    () => state.setFilter(state.on[draw(state.on.length)] ?? "crime", ["", "height >= 1", "height >= 22", "kind = 'a'"][draw(4)]!),
    () => state.toggle(SEVEN[draw(3)]!),
    () => state.setWindow(draw(2) ? { from: "2024-01-01", to: null } : null),
    () => state.setBase(draw(2) ? "dark" : "light"),
    () => state.openFilters("crime", draw(2) === 1),
    () => state.undo(),
    () => (state.blind = draw(4) === 0),
    () => state.known.look(),
    () => state.known.retryAll(),
    () => {
      const edited = draw(SEVEN.length);
      server.layers = server.layers.map((layer, index) => (index === edited ? { ...layer, version: `${draw(1000)}` } : layer));
    },
  ];
  for (let step = 0; step < 60; step += 1) {
    const request = server.waiting[draw(server.waiting.length)];
    const what = draw(10);
    if (!request || what < 4) choose[draw(choose.length)]!();
    else if (what < 8) request.answer();
    else if (what === 8) request.lose();
    else request.answer({ title: "no" }, [400, 404, 500, 503][draw(4)]);
    await pause();
    mock.timers.tick([0, 20, 150, 1500][draw(4)]!);
    await pause();
  }
  state.blind = false;
  // The last choices come quickly, one after the other.
  for (const choice of [0, 0, draw(4), draw(4), 0, 0]) {
    choose[choice]!();
    await pause();
    mock.timers.tick(20);
    await pause();
  }
  const come = async (): Promise<void> => {
    for (let round = 0; round < 40; round += 1) {
      mock.timers.tick(2_000);
      await pause();
      while (server.waiting.length) {
        server.waiting[0]!.answer();
        await pause();
      }
    }
  };
  await come();
  assert.equal(state.known.drawing, false);
  for (const id of state.on) assert.equal(state.known.counting(id), false, id);
  // What was refused is not asked again unless somebody wants it.
  state.known.retryAll();
  await come();
  assert.deepEqual([state.status, state.known.drawing, state.known.baseFailed], ["ready", false, false]);
  for (const id of state.on) {
    assert.equal(state.known.counting(id), false, id);
    const filter = state.known.filter(id)!;
    assert.equal(state.known.result(id)?.count, filter || state.opened.includes(id) ? countOf(id, filter) : state.layer(id)!.count);
    const tiles = state.known.scene!.tiles[id]!.tiles[0]!;
    assert.ok(tiles.includes(`filter=${filter}&`), `${tiles} is not of ${filter}`);
    assert.equal(state.known.scene!.versions[id], server.layers.find((layer) => layer.id === id)!.version);
  }
  assert.deepEqual([state.known.scene!.base, state.known.scene!.failed], [state.theme, []]);
}

test("each tab is a step back, none for undo, and tells of one layer that is on", async () => {
  const { state, bar, server } = open("?layers=crime,trees");
  await rest();
  server.find("api/layers?").answer();
  await rest();
  const steps = bar.steps.length;
  state.setTab("chart");
  state.setSubject("trees");
  state.setChart("height:20");
  assert.equal(bar.steps.length, steps + 3);
  assert.match(bar.address, /tab=chart&of=trees&chart=height:20/);
  assert.equal(state.canUndo, false);
  state.setTable("columns", "species");
  state.toggle("trees");
  // What was drawn and listed of trees is nothing to draw and list of crime.
  assert.deepEqual([state.subject, state.chart, state.columns], ["crime", null, null]);
  state.toggle("trees");
  assert.equal(state.subject, "trees");
  while (bar.steps.length > steps) bar.steps.pop();
  assert.equal(state.outdated, true);
  state.readAddress();
  assert.deepEqual([state.tab, state.subject, state.chart], [null, "crime", null]);
});

test("what a part of the page that came later asks is asked for as long as it wants to know", async () => {
  const { state, server } = open("?layers=crime");
  await rest();
  server.find("api/layers?").answer();
  await rest();
  const stop = state.known.also(() => new Map([["more", { address: "api/more", version: "", read: (text) => text }]]));
  await rest();
  server.find("api/more").answer("said");
  await rest();
  assert.equal(state.known.read("more").data, '"said"');
  stop();
  await rest();
  assert.equal(state.known.read("more").data, undefined);
});

test("steps of a play tell counts that are known, ask for none, and are one step back", async () => {
  const { server, state, bar } = open("?layers=crime");
  await serve(server);
  const steps = bar.steps.length;
  server.asked = [];
  const first = { from: "2024-01-01", to: "2024-01-07" };
  state.playTo({ window: first, counts: { crime: 7 } });
  state.setWindow(first);
  assert.equal(state.known.result("crime")?.count, 7);
  await serve(server);
  for (const day of ["08", "15", "22"]) {
    state.playTo({ window: { from: `2024-01-${day}`, to: `2024-01-${Number(day) + 6}` }, counts: { crime: Number(day) } });
    await serve(server);
    assert.equal(state.known.result("crime")?.count, Number(day));
    assert.equal(state.known.counting("crime"), false);
  }
  assert.match(bar.address, /time=2024-01-01/);
  assert.equal(server.asked.filter((address) => address.includes("summary")).length, 0, server.asked.join("\n"));
  state.setWindow({ from: "2024-01-22", to: "2024-01-28" }, true);
  await new Promise((done) => setTimeout(done, 200));
  await serve(server);
  assert.match(bar.address, /time=2024-01-22\/2024-01-28/);
  assert.equal(bar.steps.length, steps + 1);
  assert.equal(state.known.result("crime")?.count, countOf("crime", state.known.filter("crime")!));
  state.undo();
  assert.equal(state.window, null);
});

test("a window that is dragged or played stands in the address when it is chosen, wherever the map goes meanwhile", async () => {
  const { server, state, bar } = open("?layers=crime&time=2023-01-01/2023-12-31#12/1/2");
  await serve(server);
  const before = bar.address;
  for (const month of ["03", "04"]) {
    state.playTo({ window: { from: "2024-01-01", to: `2024-${month}-31` }, counts: {} });
    state.moved({ zoom: 13, lat: 1, lon: 2 });
    state.select({ layer: "crime", fid: 7, at: null });
    state.select(null);
    state.moved({ zoom: 12, lat: 1, lon: 2 });
    assert.equal(bar.address, before);
  }
  const chosen = { from: "2024-01-01", to: "2024-04-30" };
  state.setWindow(chosen);
  state.moved({ zoom: 13, lat: 1, lon: 2 });
  assert.match(bar.address, /time=2024-01-01\/2024-04-30#13/);
  assert.equal(bar.steps.at(-2), before);
});

test("a map that is closed leaves its address alone", async () => {
  const { server, state, bar } = open("?layers=crime");
  await serve(server);
  const before = bar.address;
  state.close();
  state.setWindow({ from: "2024-01-01", to: "2024-01-07" });
  assert.equal(bar.address, before);
});

test("a window or an area that is chosen once more is no step, nor is a window that was let go where it was", async () => {
  const { state, bar } = open("?layers=crime&time=2024-01-01/2024-12-31");
  await rest();
  state.playTo({ window: { from: "2024-03-01", to: "2024-03-31" }, counts: {} });
  state.setWindow({ from: "2024-01-01", to: "2024-12-31" });
  assert.equal(bar.steps.length, 1);
  assert.equal(state.canUndo, false);
  state.setArea({ kind: "feature", layer: "districts", fid: 1 });
  state.setArea({ kind: "feature", layer: "districts", fid: 1 });
  // However soon after it, the next choice is a step of its own.
  state.setWindow({ from: "2024-01-01", to: "2024-12-31" });
  state.setWindow({ from: "2024-02-01", to: "2024-12-31" });
  assert.equal(bar.steps.length, 3);
});

test("what narrows a step of a play anew is counted anew, at once", async () => {
  const { server, state } = open("?layers=crime");
  await serve(server);
  state.playTo({ window: { from: "2024-01-01", to: "2024-01-07" }, counts: { crime: 7 } });
  assert.equal(state.known.result("crime")?.count, 7);
  const { foretold } = state;
  for (const narrow of [
    () => state.setFilter("crime", "kind = 'crime'"),
    () => state.setArea({ kind: "circle", at: [1, 2], radius: 500 }),
    () => state.undo(),
  ]) {
    narrow();
    await new Promise((done) => setTimeout(done, 200));
    await serve(server);
    assert.equal(state.foretold, foretold);
    assert.equal(state.known.result("crime")?.count, countOf("crime", state.known.filter("crime")!));
  }
});

test("tiles that hold every feature with its time are those of all times, whatever the window", async () => {
  const { server, state } = open("?layers=crime,bike-paths&time=2024-01-01/2024-01-31");
  state.whole = ["crime"];
  await serve(server);
  assert.doesNotMatch(state.known.scene!.tiles["crime"]!.tiles[0]!, /seen/);
  state.whole = [];
  await new Promise((done) => setTimeout(done, 200));
  await serve(server);
  assert.match(state.known.scene!.tiles["crime"]!.tiles[0]!, /filter=seen >= /);
});
