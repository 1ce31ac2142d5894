/**
 * Tiles of the rows that a filter leaves, made here: with the same layers and properties as the server's, so that its styles
 * fit. Features where they are few, and below the zoom from which all of them have room, bins that count them.
 */
import { GeoJSONVT } from "@maplibre/geojson-vt";
import { fromGeojsonVt } from "@maplibre/vt-pbf";
import { BINS, REST } from "../map/bins.ts";
import type { LayerDetail, Scalar, TileJson } from "../query/types.ts";
import type { Column, Numbers, Points, Rows, Shapes } from "./columns.ts";
import type { Matched } from "./evaluate.ts";
import { writeDay } from "./moments.ts";
import { PointIndex } from "./point-index.ts";
import { readValue } from "./summary.ts";

const EXTENT = 4096;
const BUFFER = 64;
/** Bytes that the densest tile may take, and of a feature beside its values; of each value at most (geoserver/tiling/plans.py). */
const ROOM = 460_000;
const FRAME = 18;
const TAG = 4;
/** Shapes that are drawn at any zoom; more are counted in bins. */
const MOST_SHAPES = 50_000;

interface Feature {
  id: number;
  type: 1 | 2 | 3;
  geometry: [number, number][] | [number, number][][];
  tags: Record<string, Scalar>;
}

interface Facet {
  field: string;
  values: string[];
}

/** What tiles are made of, whatever the filter. */
export class TileMaker {
  #detail: LayerDetail;
  #rows: Rows;
  #index: PointIndex | null = null;
  #shapes: Shapes | null = null;
  #fids!: Float64Array;
  #columns: [name: string, column: Column][] = [];
  #facet: Facet | null = null;
  #slots: Uint8Array | null = null;
  #time: Numbers | null = null;
  #opened: Promise<void> | null = null;
  #names: string[];
  #bins: { facet?: string | null; values?: string[] } | undefined;
  /** By zoom: cells across a tile's bins. */
  #cells: (zoom: number) => Promise<number>;
  #start: number;
  #drawn = new WeakMap<Matched, GeoJSONVT>();

  constructor(rows: Rows, detail: LayerDetail, tilejson: TileJson, cells: (zoom: number) => Promise<number>) {
    this.#rows = rows;
    this.#detail = detail;
    this.#cells = cells;
    this.#start = tilejson.features_from;
    const parts = tilejson.vector_layers as { id: string; fields: Record<string, string>; facet?: string; values?: string[] }[];
    this.#names = Object.keys(parts.find(({ id }) => id === detail.id)?.fields ?? {}).filter((name) => rows.field(name));
    this.#bins = parts.find(({ id }) => id === detail.id + BINS);
  }

  open(): Promise<void> {
    return (this.#opened ??= this.#open());
  }

  async #open(): Promise<void> {
    this.#fids = await this.#rows.fids();
    for (const name of this.#names) this.#columns.push([name, await this.#rows.column(name)]);
    const geometry = await this.#rows.geometry();
    if (Array.isArray(geometry)) {
      this.#shapes = geometry;
      this.#index = new PointIndex(middlesOf(geometry));
    } else this.#index = new PointIndex(geometry);
    const { time } = this.#detail;
    if (time && this.#rows.field(time)) this.#time = (await this.#rows.column(time)) as Numbers;
    const facet = this.#bins?.facet;
    if (!facet || !this.#rows.field(facet)) return;
    this.#facet = { field: facet, values: this.#bins?.values ?? [] };
    this.#slots = this.#findSlots(await this.#rows.column(facet), this.#facet.values);
  }

  /** By row: which value of the facet it counts for; those that have no count of their own share the last one. */
  #findSlots(column: Column, values: string[]): Uint8Array {
    const slots = new Map(values.map((value, at) => [value, at]));
    if (column.kind === "text") {
      const known = column.values.map((value) => slots.get(value) ?? values.length);
      return Uint8Array.from(column.codes, (code) => (code < 0 ? values.length : known[code]!));
    }
    const field = this.#rows.field(this.#facet!.field)!;
    return Uint8Array.from(column.values, (_, row) => slots.get(String(readValue(field, column, row))) ?? values.length);
  }

  /** The first zoom from which every tile can hold all that the filter leaves; never after that of all rows. */
  async plan(matched: Matched): Promise<number> {
    await this.open();
    if (this.#shapes) return matched.count <= MOST_SHAPES ? 0 : this.#start;
    const most = ROOM / (FRAME + TAG * this.#columns.length);
    const fits = (zoom: number): boolean => matched.count <= most || this.#index!.densest(zoom, matched.rows) <= most;
    let [low, high] = [0, this.#start];
    if (high === 0 || fits(low)) return 0;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (fits(middle)) high = middle;
      else low = middle;
    }
    return high;
  }

  async make(matched: Matched, start: number, z: number, x: number, y: number): Promise<Uint8Array> {
    await this.open();
    if (z < start) return this.#makeBins(matched.rows, z, x, y);
    const features = this.#shapes ? this.#cutShapes(matched, z, x, y) : this.#findPoints(matched.rows, z, x, y);
    return write(this.#detail.id, features, EXTENT);
  }

  #tagsOf(row: number): Record<string, Scalar> {
    const tags: Record<string, Scalar> = {};
    for (const [name, column] of this.#columns) {
      const value = readValue(this.#rows.field(name)!, column, row);
      // In tiles times have no fractions.
      if (value !== null) tags[name] = typeof value === "string" ? value.replace(/(T\d\d:\d\d:\d\d)\.\d+Z/, "$1Z") : value;
    }
    return tags;
  }

  #findPoints(chosen: Uint8Array, z: number, x: number, y: number): Feature[] {
    const { x: xs, y: ys, order } = this.#index!;
    const features: Feature[] = [];
    const scale = 2 ** z;
    for (const [from, to] of this.#around(z, x, y))
      for (let at = from; at < to; at++) {
        const row = order[at]!;
        if (!chosen[row]) continue;
        const px = Math.round((xs[row]! * scale - x) * EXTENT);
        const py = Math.round((ys[row]! * scale - y) * EXTENT);
        if (px < -BUFFER || py < -BUFFER || px > EXTENT + BUFFER || py > EXTENT + BUFFER) continue;
        features.push({ id: this.#fids[row]!, type: 1, geometry: [[px, py]], tags: this.#tagsOf(row) });
      }
    return features.sort((a, b) => a.id - b.id);
  }

  /** Stretches of the curve with a tile and those around it, for its buffer lies in them. */
  #around(z: number, x: number, y: number): [number, number][] {
    const found = new Map<number, [number, number]>();
    const side = 2 ** z;
    for (let dx = -1; dx <= 1; dx++)
      for (let dy = -1; dy <= 1; dy++) {
        if (x + dx < 0 || y + dy < 0 || x + dx >= side || y + dy >= side) continue;
        const stretch = this.#index!.stretch(z, x + dx, y + dy);
        // Beyond the finest cells several tiles have the same one.
        if (stretch[1] > stretch[0]) found.set(stretch[0], stretch);
      }
    return [...found.values()];
  }

  async #makeBins(chosen: Uint8Array, z: number, x: number, y: number): Promise<Uint8Array> {
    const cells = await this.#cells(z);
    const { x: xs, y: ys, order } = this.#index!;
    const scale = 2 ** z;
    const slots = (this.#facet?.values.length ?? 0) + 1;
    const counts = new Uint32Array(cells * cells * slots);
    const firsts = new Float64Array(cells * cells).fill(Infinity);
    const lasts = new Float64Array(cells * cells).fill(-Infinity);
    const [from, to] = this.#index!.stretch(z, x, y);
    for (let at = from; at < to; at++) {
      const row = order[at]!;
      if (!chosen[row]) continue;
      const col = Math.floor((xs[row]! * scale - x) * cells);
      const line = Math.floor((ys[row]! * scale - y) * cells);
      if (col < 0 || line < 0 || col >= cells || line >= cells) continue;
      const cell = line * cells + col;
      counts[cell * slots + (this.#slots ? this.#slots[row]! : 0)]! += 1;
      const time = this.#time && !this.#time.none?.[row] ? this.#time.values[row]! : NaN;
      if (time < firsts[cell]!) firsts[cell] = time;
      if (time > lasts[cell]!) lasts[cell] = time;
    }
    const features: Omit<Feature, "id">[] = [];
    for (let cell = 0; cell < cells * cells; cell++) {
      const own = counts.subarray(cell * slots, (cell + 1) * slots);
      const count = own.reduce((sum, each) => sum + each, 0);
      if (!count) continue;
      const [col, line] = [cell % cells, Math.floor(cell / cells)];
      features.push({ type: 3, geometry: [square(col, line)], tags: this.#tagBin(own, count, firsts[cell]!, lasts[cell]!) });
    }
    return write(this.#detail.id + BINS, features, cells);
  }

  #tagBin(own: Uint32Array, count: number, first: number, last: number): Record<string, Scalar> {
    const tags: Record<string, Scalar> = { count };
    if (this.#facet)
      own.forEach((each, slot) => {
        if (each) tags[`${this.#facet!.field}:${this.#facet!.values[slot] ?? REST}`] = each;
      });
    if (Number.isFinite(first)) Object.assign(tags, { first: writeDay(first), last: writeDay(last) });
    return tags;
  }

  #cutShapes(matched: Matched, z: number, x: number, y: number): Feature[] {
    let cut = this.#drawn.get(matched);
    if (!cut) {
      const features = this.#shapes!.flatMap((geometry, row): GeoJSON.Feature[] =>
        geometry && matched.rows[row]
          ? [{ type: "Feature", id: this.#fids[row]!, properties: { ...this.#tagsOf(row), [ROW]: row }, geometry }]
          : [],
      );
      // Half a pixel is left out, as by the server.
      cut = new GeoJSONVT({ type: "FeatureCollection", features }, { maxZoom: 16, tolerance: 4, extent: EXTENT, buffer: BUFFER });
      this.#drawn.set(matched, cut);
    }
    const found = (cut.getTile(z, x, y)?.features ?? []) as unknown as Feature[];
    const drawn = new Set(found.map(({ tags }) => tags[ROW] as number));
    const features = found.map((feature) => {
      const { [ROW]: _, ...tags } = feature.tags;
      return { ...feature, tags };
    });
    return [...features, ...this.#keepSmall(matched.rows, drawn, z, x, y)].sort((a, b) => a.id - b.id);
  }

  /** What is too small to be cut out is drawn three pixels wide, and not lost. */
  #keepSmall(chosen: Uint8Array, drawn: Set<number>, z: number, x: number, y: number): Feature[] {
    const { x: xs, y: ys, order } = this.#index!;
    const [from, to] = this.#index!.stretch(z, x, y);
    const features: Feature[] = [];
    const half = ((EXTENT / 512) * 3) / 2;
    for (let at = from; at < to; at++) {
      const row = order[at]!;
      if (!chosen[row] || drawn.has(row)) continue;
      const px = Math.round((xs[row]! * 2 ** z - x) * EXTENT);
      const py = Math.round((ys[row]! * 2 ** z - y) * EXTENT);
      if (px < 0 || py < 0 || px >= EXTENT || py >= EXTENT) continue;
      const common = { id: this.#fids[row]!, tags: this.#tagsOf(row) };
      const line: [number, number][] = [
        [px - half, py],
        [px + half, py],
      ];
      if (/Polygon/.test(this.#shapes![row]!.type)) features.push({ ...common, type: 3, geometry: [box(px - half, py - half, 2 * half)] });
      else if (/Line/.test(this.#shapes![row]!.type)) features.push({ ...common, type: 2, geometry: [line] });
    }
    return features;
  }
}

/** A property that no field can have: the row that a part of a shape is of. */
const ROW = " row";

function write(layer: string, features: object[], extent: number): Uint8Array {
  if (!features.length) return new Uint8Array();
  return fromGeojsonVt({ [layer]: { features } as never }, { version: 2, extent } as never);
}

const square = (col: number, line: number): [number, number][] => box(col, line, 1);

/** Clockwise on the screen, as outer rings are. */
const box = (x: number, y: number, size: number): [number, number][] => [
  [x, y],
  [x + size, y],
  [x + size, y + size],
  [x, y + size],
  [x, y],
];

/** The middle of the box around each shape, by which it is counted. */
function middlesOf(shapes: Shapes): Points {
  const lon = new Float64Array(shapes.length).fill(NaN);
  const lat = new Float64Array(shapes.length).fill(NaN);
  shapes.forEach((shape, row) => {
    if (!shape) return;
    let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
    const look = (part: unknown): void => {
      if (!Array.isArray(part)) return;
      if (typeof part[0] !== "number") return part.forEach(look);
      west = Math.min(west, part[0]);
      east = Math.max(east, part[0]);
      south = Math.min(south, part[1] as number);
      north = Math.max(north, part[1] as number);
    };
    look(shape.type === "GeometryCollection" ? shape.geometries.map((each) => (each as GeoJSON.Polygon).coordinates) : shape.coordinates);
    lon[row] = (west + east) / 2;
    lat[row] = (south + north) / 2;
  });
  return { lon, lat };
}
