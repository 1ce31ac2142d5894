/** The server's documents. */

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
  /** Another one as soon as any of its rows is. */
  version: string;
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

/** `features_from` is the plan of what was asked: of the layer, or of its rows under a filter. */
export interface TileJson {
  tiles: string[];
  minzoom?: number;
  maxzoom?: number;
  bounds?: Bounds;
  attribution?: string;
  features_from?: number;
}
