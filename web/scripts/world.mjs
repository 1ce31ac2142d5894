/**
 * Cuts the world around a city into tiles: land and borders of Natural Earth (public domain) from the npm package world-atlas.
 * Output: public/world/world.pmtiles, and world.json that says what it was made from.
 */
import { createRequire } from "node:module";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { GeoJSONVT } from "@maplibre/geojson-vt";
import { fromGeojsonVt } from "@maplibre/vt-pbf";
import { feature, mesh } from "topojson-client";

const require = createRequire(import.meta.url);
/** By zoom: steps of the grid across a tile, and how many of them a line may be off. The last zoom is enlarged for those that follow. */
const ZOOMS = [
  { extent: 512, tolerance: 2 },
  { extent: 512, tolerance: 2 },
  { extent: 512, tolerance: 2 },
  { extent: 1024, tolerance: 4 },
  { extent: 2048, tolerance: 1.5 },
];
const LAYERS = ["land", "borders"];
const GZIP = 2;
const VECTOR_TILES = 1;
const HEADER = 127;

const target = join(dirname(dirname(fileURLToPath(import.meta.url))), "public", "world");

const read = async (name) => JSON.parse(await readFile(require.resolve(`world-atlas/${name}.json`), "utf8"));

/** What the output is made from: the same text means that there is nothing to do. */
async function describe() {
  const { version } = await read("package");
  return `${JSON.stringify({ package: "world-atlas", version, zooms: ZOOMS, layers: LAYERS }, null, 2)}\n`;
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

async function readWorld() {
  const [land, countries] = [await read("land-50m"), await read("countries-50m")];
  const shapes = feature(land, land.objects.land);
  const polygons = (shapes.features ?? [shapes]).flatMap(({ geometry }) => geometry.coordinates);
  const lines = mesh(countries, countries.objects.countries, (one, other) => one !== other).coordinates;
  const wrap = (type, coordinates) => ({ type: "Feature", properties: {}, geometry: { type, coordinates } });
  return {
    land: wrap("MultiPolygon", polygons.map(flatten)),
    borders: wrap("MultiLineString", lines.map(unroll)),
  };
}

/** Every tile that holds anything, packed, by its number. */
function cut(world) {
  const tiles = [];
  for (const [z, { extent, tolerance }] of ZOOMS.entries()) {
    const options = { maxZoom: ZOOMS.length, indexMaxZoom: 0, tolerance, extent, buffer: extent / 64 };
    const indexes = LAYERS.map((name) => [name, new GeoJSONVT(world[name], options)]);
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
  const vector_layers = LAYERS.map((id) => ({ id, fields: {}, minzoom: 0, maxzoom: ZOOMS.length - 1 }));
  const metadata = gzipSync(JSON.stringify({ name: "World", attribution: "Natural Earth", vector_layers }), { level: 9 });
  const header = Buffer.alloc(HEADER);
  header.write("PMTiles", 0, "latin1");
  header[7] = 3;
  const afterDirectory = HEADER + directory.length;
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
  const tiles = cut(await readWorld());
  const archive = writeArchive(tiles);
  await writeFile(join(target, "world.pmtiles"), archive);
  await writeFile(stamp, description); // last, so that a build cut short is done again
  console.log(`world: ${tiles.length} tiles, ${archive.length} bytes`);
}

await build();
