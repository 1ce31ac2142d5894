import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress, writeAddress, type Address } from "./address.ts";

const PLAIN = parseAddress("", "");

const read = (text: string): Address => {
  const url = new URL(text, "http://map.example/maps/");
  return parseAddress(url.search, url.hash);
};
const again = (text: string): string => writeAddress(read(text));

test("an address is read and written again without loss", () => {
  const address: Address = {
    version: 1,
    layers: ["crime", "bike-paths"],
    filters: { crime: "category IN ('a&b','50% + x') AND height >= 2", trees: "species = '#1'" },
    window: { from: "2024-01-31", to: null },
    area: { kind: "box", bounds: [-28.6, 45.1, -28.5, 45.25] },
    pin: { at: [-28.6, 45.2], radius: 500 },
    selection: { layer: "crime", fid: 12 },
    tab: "chart",
    subject: "trees",
    chart: "planted:month,species~avg:height",
    sort: "-height,species",
    columns: "species,height",
    bar: "time",
    base: "dark",
    camera: { zoom: 13.25, lat: 45.2, lon: -28.6 },
    language: "de",
    compare: "&compare=side&compare.filter.crime=category='theft'&compare.time=2023-01-01/..",
    unknown: [["utm_source", "a b&c"]],
    fragment: "",
  };
  assert.deepEqual(read(writeAddress(address)), address);
});

test("it says its version, and stays relative to where the page lives", () => {
  assert.equal(writeAddress({ ...PLAIN, layers: ["crime"] }), "?v=1&layers=crime");
  assert.equal(
    new URL(again("?layers=crime#13/45.2/-28.6"), "https://city.example/maps/").href,
    "https://city.example/maps/?v=1&layers=crime#13/45.200000/-28.600000",
  );
});

test("an address from before there were versions says the same", () => {
  const old = read("?layers=crime,trees&filter.crime=category='burglary'&base=dark&lang=de#13/45.2/-28.6");
  assert.deepEqual([old.layers, old.filters, old.base, old.language], [["crime", "trees"], { crime: "category='burglary'" }, "dark", "de"]);
  assert.deepEqual([old.camera, old.unknown, old.version], [{ zoom: 13, lat: 45.2, lon: -28.6 }, [], 1]);
});

test("a place in the query is read where none stands after the sign, and can be written there", () => {
  const { camera } = read("?layers=a&map=13/45.2/-28.6");
  assert.deepEqual(camera, { zoom: 13, lat: 45.2, lon: -28.6 });
  assert.equal(read("?map=13/45.2/-28.6#2/1/1").camera?.zoom, 2);
  assert.equal(writeAddress({ ...PLAIN, camera }, "query"), "?v=1&map=13/45.200000/-28.600000");
  assert.equal(again("?map=13/45.2/-28.6"), "?v=1#13/45.200000/-28.600000");
  assert.equal(again("?map=here"), "?v=1&map=here");
});

test("no layers at all is not the same as the catalogue's choice", () => {
  assert.deepEqual(read("?layers=").layers, []);
  assert.equal(read("?").layers, null);
  assert.equal(again("?layers="), "?v=1&layers=");
});

for (const [text, unknown] of [
  ["?utm_source=x&layers=a&tab2=1&tab2=2", ["utm_source", "tab2", "tab2"]],
  ["?base=purple&time=yesterday&area=1,2,3&select=crime", ["base", "time", "area", "select"]],
  ["?time=2024-02-30/..&area=1,2;3,4", ["time", "area"]],
  ["?time=2024-02-02/2024-02-01", ["time"]],
  ["?time=../..", ["time"]],
  ["?area=1,50,2,40", ["area"]],
  ["?area=1,95,2,96", ["area"]],
  ["?area=circle:1,2&pin=1", ["area", "pin"]],
  ["?area=circle:1,2,0&pin=1,91", ["area", "pin"]],
  ["?area=circle:1,200,5&pin=1,2,0", ["area", "pin"]],
  ["?area=circle:1,2,100001&pin=1,2,3,4", ["area", "pin"]],
  ["?area=feature:crime&pin=,", ["area", "pin"]],
  ["?area=feature:crime/x&pin=here", ["area", "pin"]],
  ["?select=crime/1.5", ["select"]],
  ["?tab=sphere&chart=a b&bar=gold", ["tab", "chart", "bar"]],
  ["?sort=a,,b&columns=-a", ["sort", "columns"]],
  ["?filter.=x&filter=y", ["filter.", "filter"]],
  ["?v=soon", ["v"]],
  ["?__proto__=1&constructor=2&toString=3", ["__proto__", "constructor", "toString"]],
] as const) {
  test(`what is not known or makes no sense is kept: ${text}`, () => {
    assert.deepEqual(
      read(text).unknown.map(([name]) => name),
      unknown,
    );
    const twice = again(again(text));
    assert.equal(twice, again(text));
    const lost = read(text).unknown.filter(
      ([name, value]) => name !== "v" && !read(twice).unknown.some((pair) => pair[0] === name && pair[1] === value),
    );
    assert.deepEqual(lost, []);
  });
}

test("lists of layers add up", () => assert.deepEqual(read("?layers=a,b&layers=b,c").layers, ["a", "b", "c"]));

test("what is said now takes the place of what made no sense", () => {
  assert.equal(writeAddress({ ...read("?base=purple&x=1"), base: "dark" }), "?v=1&base=dark&x=1");
});

test("a version from the future is kept", () => assert.equal(again("?v=7&layers=a"), "?v=7&layers=a"));

for (const hash of ["", "#", "#1/2", "#a/b/c", "#10/91/0", "#10/0/181", "#10/0/0/0", "#NaN/1/1", "#//"]) {
  test(`what is no camera is kept: "${hash}"`, () => {
    assert.equal(parseAddress("", hash).camera, null);
    assert.equal(again(`?layers=${hash}`), `?v=1&layers=${hash === "#" ? "" : hash}`);
  });
}

/** Numbers that look random, and are the same in every run. */
function* chance(seed: number): Generator<number, never> {
  for (;;) {
    seed = (seed * 1664525 + 1013904223) % 2 ** 32;
    yield seed / 2 ** 32;
  }
}

test("states made at random come back from their addresses", () => {
  const numbers = chance(8);
  const pick = <T>(...items: T[]): T => items[Math.floor(numbers.next().value * items.length)]!;
  const ids = ["crime", "bike-paths", "été", "a b", "x&y=z", "100%", "#1", "'q'", "<b>", "+", "__proto__", "日本"];
  const some = (): string[] => ids.filter(() => pick(true, false, false));
  const degrees = (most: number): number => Math.round((numbers.next().value * 2 - 1) * most * 1e6) / 1e6;
  const corner = (): [number, number] => [degrees(180), degrees(90)];
  const day = (year: number): string => `${year}-0${pick(1, 5, 9)}-1${pick(0, 5)}`;
  for (let round = 0; round < 500; round += 1) {
    const [south, north] = [degrees(90), degrees(90)].sort((a, b) => a - b) as [number, number];
    const address: Address = {
      version: pick(1, 1, 2),
      layers: pick(null, some(), []),
      filters: Object.fromEntries(
        some().map((id) => [id, pick("a = 'é&#+%'", "x IN (1,2) AND y >= 3", "S_INTERSECTS(geometry,BBOX(1,2,3,4))")]),
      ),
      window: pick(null, { from: day(2020), to: day(2021) }, { from: null, to: day(2022) }, { from: day(2023), to: null }),
      area: pick(
        null,
        { kind: "box", bounds: [degrees(180), south, degrees(180), north] },
        { kind: "circle", at: corner(), radius: pick(1, 500, 100_000) },
        { kind: "feature", layer: pick(...ids), fid: Math.floor(numbers.next().value * 1e15) },
        { kind: "polygon", ring: [corner(), corner(), corner(), ...(pick(true, false) ? [corner()] : [])] },
      ),
      pin: pick(null, { at: corner(), radius: pick(500, 1000, 99_999) }),
      selection: pick(null, { layer: pick(...ids), fid: Math.floor(numbers.next().value * 2 ** 53) }),
      tab: pick(null, "chart", "table"),
      subject: pick(null, ...ids),
      chart: pick(null, "height:20", "seen:auto,kind~avg:height"),
      sort: pick(null, "height", "-seen,kind"),
      columns: pick(null, "kind", "seen,height"),
      bar: pick(null, "time"),
      base: pick(null, "light", "dark"),
      language: pick(null, "de", "xx"),
      compare: pick("", "&compare=", "&compare=swipe&compare.layers=a,b&compare.filter.x%3Dy=z&compare.other=1"),
      camera: pick(null, { zoom: pick(0, 9.125, 18), lat: pick(45.2, -89.99), lon: pick(0, -179.5) }),
      unknown: some().map((name): [string, string] => [name, pick("", "1", "a=b&c")]),
      fragment: "",
    };
    if (!address.camera) address.fragment = pick("", "about", "1/2");
    const written = writeAddress(address);
    assert.deepEqual(read(written), address, written);
    assert.equal(writeAddress(read(written)), written);
  }
});
