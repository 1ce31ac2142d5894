/**
 * Cuts the world around a city into tiles: land, borders and names of countries of Natural Earth (public domain) from the npm
 * package world-atlas. Countries are numbered there as ISO 3166 and UN M49 do, and Node names them in the page's languages.
 * Output: public/world/world.pmtiles, and world.json that says what it was made from.
 */
import { createRequire } from "node:module";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { GeoJSONVT } from "@maplibre/geojson-vt";
import { fromGeojsonVt } from "@maplibre/vt-pbf";
import { feature, mesh } from "topojson-client";

const require = createRequire(import.meta.url);
/**
 * By zoom: the scale of the data, steps of the grid across a tile, and how many of them a line may be off. The last zoom is
 * enlarged for those that follow.
 */
const ZOOMS = [
  { scale: "50m", extent: 512, tolerance: 2 },
  { scale: "50m", extent: 512, tolerance: 2 },
  { scale: "50m", extent: 512, tolerance: 2 },
  { scale: "50m", extent: 1024, tolerance: 4 },
  { scale: "50m", extent: 2048, tolerance: 1.5 },
  { scale: "10m", extent: 2048, tolerance: 3 },
  { scale: "10m", extent: 2048, tolerance: 2 },
];
const SHAPES = ["land", "borders"];
const NAMES = "countries";
/** Countries are named from the zoom on at which they are so large in pixels, if they were squares; all of them at this zoom. */
const [NAMED, ALL_NAMED] = [56, 5];
/** Bytes in which the header and the directory have to be (PMTiles 3, section 3). */
const BEGINNING = 16_384;
const GZIP = 2;
const VECTOR_TILES = 1;
const HEADER = 127;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = join(root, "public", "world");

const read = async (name) => JSON.parse(await readFile(require.resolve(`world-atlas/${name}.json`), "utf8"));

/** What the output is made from: the same text means that there is nothing to do. */
async function describe() {
  const { version } = await read("package");
  const made = {
    package: "world-atlas",
    version,
    zooms: ZOOMS,
    named: NAMED,
    languages: await listLanguages(),
    names: process.versions.cldr,
  };
  return `${JSON.stringify(made, null, 2)}\n`;
}

/** Those that the page speaks, English first. */
async function listLanguages() {
  const files = await readdir(join(root, "src", "messages"));
  const found = files.filter((name) => /^[a-z]{2,3}\.ts$/.test(name)).map((name) => name.slice(0, -3));
  return ["en", ...found.filter((language) => language !== "en").sort()];
}

/** A line that crosses the antimeridian goes on beyond 180 degrees; the tiler brings both sides back. */
function unroll(line) {
  let turn = 0;
  return line.map(([x, y], index) => {
    if (index && Math.abs(x - line[index - 1][0]) > 180) turn += x < line[index - 1][0] ? 360 : -360;
    return [x + turn, y];
  });
}

/** Rings in the plane: the one around the pole is closed below the map, and the one that is the pole is left out. */
function flatten(rings) {
  return rings
    .filter((ring) => ring.some(([, y]) => y > -89))
    .map(unroll)
    .map((ring) => {
      const [first, last] = [ring[0], ring.at(-1)];
      return first[0] === last[0] ? ring : [...ring, [last[0], -90], [first[0], -90], first];
    });
}

const wrap = (type, coordinates, properties = {}) => ({ type: "Feature", properties, geometry: { type, coordinates } });

async function readWorld(scale) {
  const [land, countries] = [await read(`land-${scale}`), await read(`countries-${scale}`)];
  const shapes = feature(land, land.objects.land);
  const polygons = (shapes.features ?? [shapes]).flatMap(({ geometry }) => geometry.coordinates);
  const lines = mesh(countries, countries.objects.countries, (one, other) => one !== other).coordinates;
  return {
    land: wrap("MultiPolygon", polygons.filter(([[[x, y]]]) => Math.hypot(x, y) > 0.1).map(flatten)), // no island at 0/0, which is a joke
    borders: wrap("MultiLineString", lines.map(unroll)),
  };
}

/** A point for each country that has a number, with its names and the zoom from which on it is named. */
async function readNames(scale) {
  const countries = await read(`countries-${scale}`);
  const languages = await listLanguages();
  const speakers = languages.map((language) => new Intl.DisplayNames(language, { type: "region", fallback: "none" }));
  return feature(countries, countries.objects.countries).features.flatMap(({ id, geometry }) => {
    const region = id && new Intl.Locale(`und-${id}`).region;
    if (!region || !geometry) return [];
    const names = speakers.map((speaker) => speaker.of(region));
    if (!names[0]) return [];
    const others = languages.map((language, index) => [`name_${language}`, names[index]]).filter(([, name]) => name && name !== names[0]);
    const polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
    const rings = polygons.map(([outer]) => unroll(outer).map(toPlane)).sort((one, other) => measure(other) - measure(one));
    const side = Math.sqrt(rings.reduce((sum, ring) => sum + measure(ring), 0)) * 512;
    const from = Math.min(ALL_NAMED, Math.max(0, Math.ceil(Math.log2(NAMED / side))));
    const [x, y] = findMiddle(rings[0]);
    const place = [((((x * 360) % 360) + 360) % 360) - 180, (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI];
    return [{ from, point: wrap("Point", place, { name: names[0], ...Object.fromEntries(others), rank: from }) }];
  });
}

/** Degrees -> the square of the map, from 0 to 1. */
function toPlane([lon, lat]) {
  const sine = Math.sin((Math.max(-85, Math.min(85, lat)) * Math.PI) / 180);
  return [(lon + 180) / 360, 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)];
}

function measure(ring) {
  return Math.abs(
    ring.reduce((sum, [x, y], index) => sum + x * ring[(index + 1) % ring.length][1] - ring[(index + 1) % ring.length][0] * y, 0) / 2,
  );
}

/** A point of the ring that is far from its edge: the best of a grid, and of finer ones around it. */
function findMiddle(ring) {
  const [xs, ys] = [ring.map(([x]) => x), ring.map(([, y]) => y)];
  let [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  let best = { depth: -Infinity, at: ring[0] };
  for (let round = 0; round < 4; round++) {
    const [width, height] = [(right - left) / 16, (bottom - top) / 16];
    for (let i = 0; i <= 16; i++)
      for (let j = 0; j <= 16; j++) {
        const at = [left + i * width, top + j * height];
        const depth = findDepth(ring, at);
        if (depth > best.depth) best = { depth, at };
      }
    [left, right, top, bottom] = [best.at[0] - width, best.at[0] + width, best.at[1] - height, best.at[1] + height];
  }
  return best.at;
}

/** How far a point is from the ring, less than nothing outside of it; labels are wide, so what is beside it counts for less. */
function findDepth(ring, [x, y]) {
  let [inside, least] = [false, Infinity];
  for (let index = 0, before = ring.at(-1); index < ring.length; before = ring[index++]) {
    const [[x1, y1], [x2, y2]] = [before, ring[index]];
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
    const [dx, dy] = [x2 - x1, y2 - y1];
    const along = Math.max(0, Math.min(1, ((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy || 1)));
    least = Math.min(least, Math.hypot((x - x1 - along * dx) / 2, y - y1 - along * dy));
  }
  return inside ? least : -least;
}

/** Every tile that holds anything, packed, by its number. */
function cut(worlds, names) {
  const tiles = [];
  for (const [z, { scale, extent, tolerance }] of ZOOMS.entries()) {
    const options = { maxZoom: ZOOMS.length, indexMaxZoom: 0, tolerance, extent, buffer: extent / 64 };
    const named = { type: "FeatureCollection", features: names.filter(({ from }) => from <= z).map(({ point }) => point) };
    const indexes = SHAPES.map((name) => [name, new GeoJSONVT(worlds[scale][name], options)]);
    indexes.push([NAMES, new GeoJSONVT(named, { ...options, buffer: 0 })]);
    for (let x = 0; x < 2 ** z; x++)
      for (let y = 0; y < 2 ** z; y++) {
        const found = indexes.map(([name, index]) => [name, index.getTile(z, x, y)]).filter(([, tile]) => tile?.features.length);
        if (!found.length) continue;
        const bytes = fromGeojsonVt(Object.fromEntries(found), { version: 2, extent });
        tiles.push({ id: toTileId(z, x, y), bytes: gzipSync(bytes, { level: 9 }) });
      }
  }
  return tiles.sort((one, other) => one.id - other.id);
}

/** Number of a tile: the zooms one after the other, each along a Hilbert curve (PMTiles 3, section 4.1). */
function toTileId(z, x, y) {
  let id = (4 ** z - 1) / 3;
  for (let half = 2 ** (z - 1); half >= 1; half /= 2) {
    const [right, low] = [x & half ? 1 : 0, y & half ? 1 : 0];
    id += half * half * ((3 * right) ^ low);
    if (!low) [x, y] = right ? [half - 1 - (y & (half - 1)), half - 1 - (x & (half - 1))] : [y, x];
  }
  return id;
}

function writeVarint(number, into) {
  for (; number > 127; number = Math.floor(number / 128)) into.push((number % 128) | 128);
  into.push(number);
}

/** One directory of all tiles (PMTiles 3, section 4.2); tiles of the same bytes are kept once. */
function pack(tiles) {
  const [offsets, entries, parts] = [new Map(), [], []];
  let end = 0;
  for (const { id, bytes } of tiles) {
    const key = bytes.toString("latin1");
    if (!offsets.has(key)) {
      offsets.set(key, end);
      parts.push(bytes);
      end += bytes.length;
    }
    const [offset, last] = [offsets.get(key), entries.at(-1)];
    if (last?.offset === offset && last.id + last.run === id) last.run += 1;
    else entries.push({ id, run: 1, length: bytes.length, offset });
  }
  const numbers = [];
  writeVarint(entries.length, numbers);
  entries.forEach(({ id }, index) => writeVarint(id - (entries[index - 1]?.id ?? 0), numbers));
  for (const { run } of entries) writeVarint(run, numbers);
  for (const { length } of entries) writeVarint(length, numbers);
  for (const { offset } of entries) writeVarint(offset + 1, numbers);
  return {
    directory: gzipSync(Buffer.from(numbers), { level: 9 }),
    data: Buffer.concat(parts),
    entries: entries.length,
    contents: parts.length,
  };
}

function writeArchive(tiles) {
  const { directory, data, entries, contents } = pack(tiles);
  const fields = { [NAMES]: { name: "String", rank: "Number" } };
  const vector_layers = [...SHAPES, NAMES].map((id) => ({ id, fields: fields[id] ?? {}, minzoom: 0, maxzoom: ZOOMS.length - 1 }));
  const metadata = gzipSync(JSON.stringify({ name: "World", attribution: "Natural Earth", vector_layers }), { level: 9 });
  const header = Buffer.alloc(HEADER);
  header.write("PMTiles", 0, "latin1");
  header[7] = 3;
  const afterDirectory = HEADER + directory.length;
  if (afterDirectory > BEGINNING) throw new Error(`the directory is too large: ${directory.length} bytes`);
  const start = afterDirectory + metadata.length;
  const numbers = [
    ...[HEADER, directory.length, afterDirectory, metadata.length, start, 0, start, data.length],
    ...[tiles.length, entries, contents],
  ];
  numbers.forEach((number, index) => header.writeBigUInt64LE(BigInt(number), 8 + 8 * index));
  header.set([1, GZIP, GZIP, VECTOR_TILES, 0, ZOOMS.length - 1], 96);
  [-180, -85, 180, 85].forEach((degrees, index) => header.writeInt32LE(degrees * 1e7, 102 + 4 * index));
  return Buffer.concat([header, directory, metadata, data]);
}

async function build() {
  const description = await describe();
  const stamp = join(target, "world.json");
  if ((await readFile(stamp, "utf8").catch(() => "")) === description) return;
  await mkdir(target, { recursive: true });
  const worlds = { "50m": await readWorld("50m"), "10m": await readWorld("10m") };
  const tiles = cut(worlds, await readNames("50m"));
  const archive = writeArchive(tiles);
  await writeFile(join(target, "world.pmtiles"), archive);
  await writeFile(stamp, description); // last, so that a build cut short is done again
  console.log(`world: ${tiles.length} tiles, ${archive.length} bytes`);
}

await build();
