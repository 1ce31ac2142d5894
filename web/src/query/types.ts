/** The server's documents, as its own description has them (openapi.d.ts). */
import type { components } from "./openapi.d.ts";

type Schemas = components["schemas"];

/** Whole numbers beyond 2^53 are bigints. */
export type Scalar = Schemas["Scalar"];
/** What `/api/search` finds. */
export type Place = Schemas["Place"];
export type Bounds = Schemas["Bounds"];
export type Link = Schemas["Link"];
export type Choice = Schemas["Choice"];
export type Field = Schemas["FieldEntry"];
export type FieldType = Field["type"];
export type LegendEntry = Schemas["LegendEntry"];
/** A class of counts, both ends included; the last has no end. */
export type BinEntry = Schemas["BinsLegendEntry"];
/** The bins that stand for many features. */
export type Bins = Schemas["BinsEntry"];
/** Of a layer what the list of all tells (`LISTED` in server.ts). */
export type LayerSummary = Pick<
  Schemas["LayerEntry"],
  | "id"
  | "title"
  | "theme"
  | "theme_key"
  | "theme_language"
  | "basemap"
  | "visible"
  | "order"
  | "count"
  | "time"
  | "live"
  | "nouns"
  | "language"
  | "version"
  | "features_from"
  | "access_title"
>;
/** Who the server takes the reader for. */
export type Me = Schemas["Me"];
export type LayerDetail = Schemas["LayerDetail"];
/** What a layer is about, and what else it is found by. */
export type LayerWords = Pick<Schemas["LayerEntry"], "id" | "description" | "description_language" | "keywords" | "field_titles">;
/** Whose map this is. */
export type City = Schemas["CityEntry"];
export interface Catalogue {
  city: City;
  layers: LayerSummary[];
}
/** What loading changed in rows that it kept. */
export type Note = Schemas["Note"];
export type Histogram = Schemas["Histogram"];
export type Summary = Schemas["Summary"];
/** Rows by groups: what charts show. */
export type Aggregate = Schemas["AggregateAnswer"];
export type Feature = Omit<Schemas["Feature"], "geometry"> & { geometry: GeoJSON.Geometry | null };
export type Readings = Schemas["ReadingList"];
/** `features_from` is the plan of what was asked: of the layer, or of its rows under a filter. */
export type TileJson = Schemas["TileJson"];
