/** The server's addresses, answered from a frozen map: the same documents by the same questions (web/src/query/server.ts). */
import { ApiError, encodeValue } from "../query/server.ts";
import type { LayerDetail, Scalar, TileJson } from "../query/types.ts";
import { aggregate, VALUES } from "./aggregate.ts";
import type { FrozenLayer } from "./layer.ts";
import type { Manifest } from "./manifest.ts";
import { readValue, summarise } from "./summary.ts";

/** Rows from one mark to the next. */
const EVERY = 1_000;

/** What "no" and "yes" are in a language. */
export type SayTruth = (lang: string) => Promise<[no: string, yes: string]>;

export interface Context {
  manifest: Manifest;
  /** Where the folder is. */
  root: string;
  /** Before the addresses of tiles. */
  tiles: string;
  layer(id: string): FrozenLayer | undefined;
  sayTruth: SayTruth;
}

/** What an address asks: the parts of its path, and its parameters. */
interface Question {
  path: string[];
  get(name: string): string;
}

export async function answer(context: Context, address: string): Promise<unknown> {
  const url = new URL(address, "http://frozen/");
  const question: Question = {
    path: url.pathname.slice(1).split("/").map(decodeURIComponent),
    get: (name) => url.searchParams.get(name) ?? "",
  };
  const [first, second, third] = question.path;
  if (first === "healthz") return { status: "ok" };
  if (first === "styles") return buildStyle(context, second!.replace(/\.json$/, ""), question.get("layers").split(","));
  if (first === "api" && second === "layers") return answerLayers(context, question);
  if (first === "tiles") return buildTileJson(context, demand(context, second!.replace(/\.json$/, "")), question.get("filter"));
  if (first === "ogc" && second === "collections") return listRows(demand(context, third!), question);
  throw new ApiError(404, "A frozen map does not know this; the live map does.");
}

function demand(context: Context, id: string): FrozenLayer {
  const layer = context.layer(id);
  if (!layer) throw new ApiError(404, `layer: got '${id}'; expected a layer of this frozen map`);
  return layer;
}

async function answerLayers(context: Context, question: Question): Promise<unknown> {
  const { manifest } = context;
  const [, , id, what, more] = question.path;
  const asked = question.get("lang");
  const told = manifest.languages[asked] ?? manifest.languages[manifest.language ?? ""] ?? Object.values(manifest.languages)[0]!;
  if (id === undefined) {
    const city = manifest.cities?.[asked] ?? manifest.city;
    // Those that were frozen are what the map is of: none of them lies beneath.
    return { city: { ...city, languages: Object.keys(manifest.languages), links: [], logo: findLogo(context) }, layers: told.layers };
  }
  if (what === undefined) {
    const detail = told.details[id];
    return detail ? fitDetail(detail) : demand(context, id).detail;
  }
  const layer = demand(context, id);
  const filter = question.get("filter");
  if (what === "summary") {
    const names = question.get("fields").split(",").filter(Boolean);
    return summarise(
      layer.rows,
      await layer.match(filter),
      names.flatMap((name) => layer.rows.field(name) ?? []),
    );
  }
  if (what === "aggregate") {
    const asking = {
      group: question.get("group"),
      measure: question.get("measure"),
      limit: Number(question.get("limit")) || VALUES,
      truth: await context.sayTruth(asked),
    };
    const detail = { ...(told.details[id] ?? layer.detail), version: layer.detail.version };
    return aggregate(layer.rows, detail, await layer.match(filter), asking);
  }
  if (what === "features" && question.path.length === 5) return readFeature(layer, Number(more));
  if (what === "rows") return more === "marks" ? listMarks(layer, question) : findPlace(layer, question, Number(more));
  throw new ApiError(404, "A frozen map does not know this; the live map does.");
}

/** The picture of the city lies in the folder, or is not shown: nobody is asked for it. */
function findLogo({ manifest, root }: Context): string | null {
  const { logo } = manifest.city as { logo?: string | null };
  return logo && !/^[a-z]+:/.test(logo) ? new URL(logo, root).href : null;
}

/** Readings and files of other formats come from a server. */
function fitDetail(detail: LayerDetail): LayerDetail {
  return { ...detail, readings: null, downloads: [], links: [] };
}

function propertiesOf(
  layer: FrozenLayer,
  names: string[],
  row: number,
  columns: Map<string, Awaited<ReturnType<FrozenLayer["rows"]["column"]>>>,
): Record<string, Scalar> {
  return Object.fromEntries(names.map((name) => [name, readValue(layer.rows.field(name)!, columns.get(name)!, row)]));
}

async function readColumns(layer: FrozenLayer, names: string[]): Promise<Map<string, Awaited<ReturnType<FrozenLayer["rows"]["column"]>>>> {
  const columns = new Map<string, Awaited<ReturnType<FrozenLayer["rows"]["column"]>>>();
  for (const name of names) columns.set(name, await layer.rows.column(name));
  return columns;
}

async function readFeature(layer: FrozenLayer, fid: number): Promise<unknown> {
  const row = await layer.find(fid);
  if (row === undefined) throw new ApiError(404, `feature: got '${fid}'; expected the id of a feature of this frozen map`);
  const names = layer.rows.fields.map(({ name }) => name);
  const properties = propertiesOf(layer, names, row, await readColumns(layer, names));
  return { type: "Feature", id: fid, geometry: await layer.shape(row), properties, links: [] };
}

async function listRows(layer: FrozenLayer, question: Question): Promise<unknown> {
  const order = await layer.order(question.get("filter"), question.get("sortby"));
  const asked = question
    .get("properties")
    .split(",")
    .filter((name) => layer.rows.field(name));
  const names = asked.length ? asked : layer.rows.fields.map(({ name }) => name);
  const start = Number(question.get("cursor")) + Number(question.get("offset"));
  const columns = await readColumns(layer, names);
  const fids = await layer.rows.fids();
  const page = [...order.subarray(start, start + Number(question.get("limit") || 10))];
  const features = page.map((row) => ({
    type: "Feature",
    id: fids[row],
    geometry: null,
    properties: propertiesOf(layer, names, row, columns),
  }));
  return { type: "FeatureCollection", features, numberMatched: order.length, numberReturned: features.length };
}

/** A cursor is the number of the row that a page begins with. */
async function listMarks(layer: FrozenLayer, question: Question): Promise<unknown> {
  const { count } = await layer.match(question.get("filter"));
  const marks = Math.max(0, Math.floor((count - 1) / EVERY));
  return { layer: layer.id, count, every: EVERY, cursors: Array.from({ length: marks }, (_, at) => String((at + 1) * EVERY)) };
}

async function findPlace(layer: FrozenLayer, question: Question, fid: number): Promise<unknown> {
  const order = await layer.order(question.get("filter"), question.get("sortby"));
  const row = await layer.find(fid);
  const place = row === undefined ? -1 : order.indexOf(row);
  return { layer: layer.id, fid, count: order.length, row: place < 0 ? null : place };
}

async function buildTileJson({ tiles }: Context, layer: FrozenLayer, filter: string): Promise<TileJson> {
  const start = await layer.plan(filter);
  const query = filter ? `?filter=${encodeValue(filter)}&features-from=${start}` : "";
  const { minzoom, maxzoom } = layer.tilejson;
  // What is made here is made down to where the eye needs no more.
  const last = filter ? Math.max(maxzoom, 16) : maxzoom;
  return {
    ...layer.tilejson,
    tiles: [`${tiles}${encodeURIComponent(layer.id)}/{z}/{x}/{y}${query}`],
    minzoom,
    maxzoom: last,
    features_from: start,
  };
}

/** The style of all that was frozen, with the layers that are on. */
function buildStyle({ manifest, root, tiles }: Context, base: string, on: string[]): unknown {
  const style = manifest.styles[base as "light"] ?? manifest.styles.light ?? manifest.styles.dark!;
  const { sources, layers } = style as { sources: Record<string, Record<string, unknown>>; layers: { source?: string }[] };
  const isOff = (source: string | undefined): boolean => source !== undefined && source in manifest.tilejson && !on.includes(source);
  const drawn = Object.entries(sources).flatMap(([name, source]): [string, unknown][] => {
    if (isOff(name)) return [];
    const { tiles: _, url: __, ...rest } = source;
    // A layer's own tiles are told of by its TileJSON, which follows the filter.
    if (name in manifest.tilejson) return [[name, { ...rest, minzoom: 0, maxzoom: 22, url: `tiles/${name}.json` }]];
    return [[name, { ...rest, tiles: [`${tiles}*/{z}/{x}/{y}`] }]];
  });
  const made = { ...style, sources: Object.fromEntries(drawn), layers: layers.filter(({ source }) => !isOff(source)) };
  return place(made, root);
}

/** Addresses of letters and icons, which lie in the folder. */
function place(document: unknown, root: string): unknown {
  if (Array.isArray(document)) return document.map((part) => place(part, root));
  if (typeof document === "string") return /^(?:fonts|sprites)\//.test(document) ? new URL(".", root).href + document : document;
  if (typeof document !== "object" || document === null) return document;
  return Object.fromEntries(Object.entries(document).map(([name, part]) => [name, place(part, root)]));
}
