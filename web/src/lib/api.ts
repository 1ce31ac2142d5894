/** The server's JSON, and one function per address. Every failure is an `ApiError` with words for people. */

import { parseExact } from "./json.ts";

export type FieldType = "text" | "integer" | "number" | "boolean" | "date" | "timestamp";
/** Whole numbers beyond 2^53 are bigints. */
export type Scalar = string | number | bigint | boolean | null;
export type Bounds = [west: number, south: number, east: number, north: number];

export interface Link {
  rel: string;
  type?: string;
  href: string;
  title?: string;
}

export interface Choice {
  value: Scalar;
  label: string;
  count: number;
}

export interface Field {
  name: string;
  title: string;
  description?: string;
  type: FieldType;
  unit?: string;
  filter: "choice" | "range" | "search" | "none";
  labels?: Record<string, string>;
  latest?: boolean;
  choices?: Choice[];
  min?: number | string | null;
  max?: number | string | null;
}

export interface LegendEntry {
  kind: "circle" | "line" | "fill";
  label: string;
  color: string;
  size?: number;
  stroke?: string;
  opacity?: number;
  /** Lengths of line and gap, in widths of the line. */
  dash?: number[];
  /** What is measured, for classes of a field; it ends in the unit where the labels have no room for it. */
  title?: string;
  /** What differs on the dark base. */
  dark?: Partial<Pick<LegendEntry, "color" | "stroke" | "size" | "opacity" | "dash">>;
  /** The value or values that are drawn like this, when the look follows a field's values. */
  value?: Scalar | Scalar[];
}

/** A class of counts, both ends included; the last has no end. */
export interface SquareEntry extends LegendEntry {
  from: number;
  to: number | null;
}

/** The squares that stand for many features. */
export interface Squares {
  title: string | null;
  facet: string | null;
  values: string[];
  legend: SquareEntry[];
}

export interface LayerSummary {
  id: string;
  title: string;
  description: string;
  theme: string;
  kind: string;
  license: string;
  attribution: string;
  basemap: boolean;
  visible: boolean;
  order: number;
  bounds: Bounds | null;
  /** Null for a layer that has tiles and nothing else: nothing can be counted, filtered or looked up in it. */
  count: number | null;
  rejected: number;
  updated: string | null;
  time: string | null;
  label: string | null;
  /** The zoom from which on tiles hold every feature; below it squares stand for many of them. */
  features_from: number;
  links: Link[];
}

/** What loading changed in rows that it kept: in which field (none: the geometry), how often, and one of the values. */
export interface Note {
  field: string;
  what: string;
  count: number;
  example: string;
}

export interface LayerDetail extends LayerSummary {
  fields: Field[];
  notes: Note[];
  readings: { time: string; fields: Field[] } | null;
  legend: LegendEntry[];
  bins: Squares | null;
}

export interface Bin {
  from: number | string;
  to: number | string;
  count: number;
}

export interface Histogram {
  min: number | string | null;
  max: number | string | null;
  bins: Bin[];
}

export interface Summary {
  layer: string;
  count: number;
  total: number;
  facets: Record<string, { value: Scalar; count: number }[]>;
  histograms: Record<string, Histogram>;
}

export interface Feature {
  type: "Feature";
  id: number;
  geometry: GeoJSON.Geometry | null;
  properties: Record<string, Scalar>;
}

export interface Readings {
  time: string;
  fields: Field[];
  readings: Record<string, Scalar>[];
}

/** `status` 0 means that no answer came at all; `parameter` is the one that the server did not like. */
export class ApiError extends Error {
  status: number;
  parameter: string | null;

  constructor(status: number, message: string, parameter: string | null = null) {
    super(message);
    this.status = status;
    this.parameter = parameter;
  }
}

/** Read JSON from our own server; `ApiError` on anything but 2xx, and the caller's abort passes through. */
async function read<T>(path: string, signal?: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, { signal: signal ?? null, headers: { Accept: "application/json" } });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "no answer");
  }
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new ApiError(response.status, problem.detail ?? problem.title ?? response.statusText, problem.parameter ?? null);
  }
  return (path.startsWith("/api/") ? parseExact(await response.text()) : await response.json()) as T;
}

export async function readLayers(): Promise<LayerSummary[]> {
  return (await read<{ layers: LayerSummary[] }>("/api/layers")).layers;
}

export function readLayer(id: string): Promise<LayerDetail> {
  return read(`/api/layers/${id}`);
}

/** Count, and how the rows are spread over `fields`; with none of them only the count, which is cheap. */
export function readSummary(id: string, filter: string, fields: string[], signal: AbortSignal): Promise<Summary> {
  const query = new URLSearchParams({ ...(filter && { filter }), fields: fields.join(",") });
  return read(`/api/layers/${id}/summary?${query}`, signal);
}

export function readFeature(id: string, fid: number, signal: AbortSignal): Promise<Feature> {
  return read(`/api/layers/${id}/features/${fid}`, signal);
}

export function readReadings(id: string, fid: number, signal: AbortSignal): Promise<Readings> {
  return read(`/api/layers/${id}/features/${fid}/readings?limit=1000`, signal);
}

export function readStyle(base: string, layers: string[]): Promise<Record<string, unknown>> {
  const query = layers.length ? `?layers=${layers.map(encodeURIComponent).join(",")}` : "";
  return read(`/styles/${base}.json${query}`);
}

export interface TileJson {
  tiles: string[];
  minzoom?: number;
  maxzoom?: number;
  bounds?: Bounds;
  attribution?: string;
}

export function readTileJson(url: string): Promise<TileJson> {
  return read(url);
}
