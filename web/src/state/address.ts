/**
 * The whole state of a map as an address, relative to where the page lives:
 * `?v=1&layers=crime,trees&filter.crime=<CQL2>&select=crime/123&base=dark#zoom/lat/lon`.
 *
 * An address without a version is one from before there were versions, and is read alike. What is not known, or makes no
 * sense, is kept as it stands and written again.
 */
import {
  parseArea,
  parsePin,
  parseWindow,
  writeArea,
  writePin,
  writeWindow,
  type Area,
  type Position,
  type TimeWindow,
} from "../filter/question.ts";
import { encodeValue as encode } from "../query/server.ts";

export const VERSION = 1;

export interface Camera {
  zoom: number;
  lat: number;
  lon: number;
}

export type Base = "light" | "dark";
export type Tab = "chart" | "table";
export type Bar = "time";

export interface Address {
  /** Of the form in which it was written; one from the future is read as far as it is known. */
  version: number;
  /** Layers that are on, known or not; null leaves it to the catalogue. */
  layers: string[] | null;
  /** By layer, CQL2 text. */
  filters: Record<string, string>;
  window: TimeWindow | null;
  area: Area | null;
  /** The place that is asked about, and metres around it. */
  pin: { at: Position; radius: number } | null;
  selection: { layer: string; fid: number } | null;
  /** What lies beside the map or in its place; null is the map alone. */
  tab: Tab | null;
  /** The layer that tabs tell of; null is the first one that is on. */
  subject: string | null;
  /** What the chart is drawn of, as `web/src/chart/spec.ts` writes it; null leaves it to the layer's fields. */
  chart: string | null;
  /** What the table is sorted by, and which columns it has, as `web/src/table/order.ts` writes them; null leaves it to the layer. */
  sort: string | null;
  columns: string | null;
  /** What lies below the map and its tabs. */
  bar: Bar | null;
  /** null follows the reader's system. */
  base: Base | null;
  language: string | null;
  /** What the other map of a comparison shows, as it stands in the address: "&compare=side&compare.time=2024-01-01/.."; "" is one map alone. */
  compare: string;
  /** null shows the whole city. */
  camera: Camera | null;
  /** Parameters that are not known or make no sense, in their order. */
  unknown: [name: string, value: string][];
  /** What stands after `#` when it is no camera. */
  fragment: string;
}

const FILTER = "filter.";

/** How each parameter is read: its value, or undefined when it makes no sense. */
const READ = {
  v: (text: string) => (/^[1-9]\d{0,5}$/.test(text) ? Number(text) : undefined),
  layers: (text: string) => [...new Set(text.split(",").filter(Boolean))],
  time: (text: string) => parseWindow(text) ?? undefined,
  area: (text: string) => parseArea(text) ?? undefined,
  pin: (text: string) => parsePin(text) ?? undefined,
  select: (text: string) => parseSelection(text) ?? undefined,
  tab: (text: string) => (text === "chart" || text === "table" ? text : undefined),
  of: (text: string) => text || undefined,
  chart: (text: string) => (/^[\w:,~-]{1,200}$/.test(text) ? text : undefined),
  sort: (text: string) => (/^-?\w+(,-?\w+){0,7}$/.test(text) ? text : undefined),
  columns: (text: string) => (/^\w+(,\w+)*$/.test(text) ? text : undefined),
  bar: (text: string) => (text === "time" ? text : undefined),
  base: (text: string) => (text === "light" || text === "dark" ? text : undefined),
  lang: (text: string) => text || undefined,
  map: (text: string) => parseCamera(text) ?? undefined,
};

type Read = { [name in keyof typeof READ]?: Exclude<ReturnType<(typeof READ)[name]>, undefined> };

export function parseAddress(search: string, hash: string): Address {
  const found: Read = {};
  const filters: [string, string][] = [];
  const unknown: [string, string][] = [];
  const compare: [string, string][] = [];
  for (const [name, value] of new URLSearchParams(search)) {
    const layer = name.startsWith(FILTER) ? name.slice(FILTER.length) : "";
    if (layer && !filters.some(([other]) => other === layer)) {
      if (value.trim() !== "") filters.push([layer, value]);
    } else if (name === "layers") {
      found.layers = READ.layers([...(found.layers ?? []), value].join(","));
    } else if (Object.hasOwn(READ, name) && !Object.hasOwn(found, name)) {
      const read = READ[name as keyof Read](value);
      if (read === undefined) unknown.push([name, value]);
      else Object.assign(found, { [name]: read });
    } else (/^compare(\.|$)/.test(name) ? compare : unknown).push([name, value]);
  }
  const camera = parseCamera(hash) ?? found.map ?? null;
  return {
    version: found.v ?? VERSION,
    layers: found.layers ?? null,
    filters: Object.fromEntries(filters),
    window: found.time ?? null,
    area: found.area ?? null,
    pin: found.pin ?? null,
    selection: found.select ?? null,
    tab: found.tab ?? null,
    subject: found.of ?? null,
    chart: found.chart ?? null,
    sort: found.sort ?? null,
    columns: found.columns ?? null,
    bar: found.bar ?? null,
    base: found.base ?? null,
    language: found.lang ?? null,
    compare: writePairs(compare),
    camera,
    unknown,
    fragment: parseCamera(hash) ? "" : hash.replace(/^#/, ""),
  };
}

function parseCamera(hash: string): Camera | null {
  const texts = hash.replace(/^#/, "").split("/");
  const parts = texts.map((text) => (text.trim() === "" ? NaN : Number(text)));
  const [zoom, lat, lon] = parts;
  if (parts.length !== 3 || zoom === undefined || lat === undefined || lon === undefined) return null;
  if (!parts.every(Number.isFinite) || Math.abs(lat) > 90 || Math.abs(lon) > 180) return null;
  return { zoom: Math.min(Math.max(zoom, 0), 24), lat, lon };
}

/** `crime/123`: a feature of a layer. */
function parseSelection(text: string): Address["selection"] {
  const [, layer, fid] = /^([^/]+)\/(\d{1,16})$/.exec(text) ?? [];
  return layer && Number.isSafeInteger(Number(fid)) ? { layer, fid: Number(fid) } : null;
}

/**
 * `placed` says where the camera stands: after `#`, where the page keeps it, or in the query, where a server sees it too, and
 * shows this very place in a preview of the link.
 */
export function writeAddress(address: Address, placed: "fragment" | "query" = "fragment"): string {
  const known: [name: string, value: string | null][] = [
    ["v", String(Math.max(VERSION, address.version))],
    // The commas between ids are the list's own; one within an id could not be told from them.
    ["layers", address.layers && address.layers.join(",")],
    ...Object.keys(address.filters)
      .sort()
      .map((id): [string, string] => [FILTER + id, address.filters[id]!]),
    ["time", address.window && writeWindow(address.window)],
    ["area", address.area && writeArea(address.area)],
    ["pin", address.pin && writePin(address.pin)],
    ["select", address.selection && `${address.selection.layer}/${address.selection.fid}`],
    ["tab", address.tab],
    ["of", address.subject],
    ["chart", address.chart],
    ["sort", address.sort],
    ["columns", address.columns],
    ["bar", address.bar],
    ["base", address.base],
    ["lang", address.language],
    ["map", placed === "query" && address.camera ? writeCamera(address.camera) : null],
  ];
  const said = known.filter((pair): pair is [string, string] => pair[1] !== null);
  // What is said now takes the place of what made no sense.
  const kept = address.unknown.filter(([name]) => !said.some(([other]) => other === name) || !Object.hasOwn(READ, name));
  const query = writePairs([...said, ...kept]).slice(1) + address.compare;
  const place = address.camera && placed === "fragment" ? writeCamera(address.camera) : address.fragment;
  return `?${query}${place && `#${place}`}`;
}

export const writePairs = (pairs: [name: string, value: string][]): string =>
  pairs.map(([name, value]) => `&${encode(name).replaceAll("=", "%3D")}=${encode(value)}`).join("");

/** As many decimals as it takes to come back to the same pixel: a tenth of one here, a thousandth of a zoom step. */
function writeCamera({ zoom, lat, lon }: Camera): string {
  const decimals = Math.max(2, Math.min(7, Math.ceil(zoom / 3) + 1));
  return `${+zoom.toFixed(3)}/${lat.toFixed(decimals)}/${lon.toFixed(decimals)}`;
}
