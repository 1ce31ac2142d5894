/** Bins that stand for many features: when they are shown, what one says, and what several say together. */
import type { Bounds, Scalar } from "../query/types.ts";

/** Ends the names of what holds and draws a layer's bins: parts of tiles, layers of the style. */
export const BINS = ":bins";

/** The rest of a layer's counts by value. */
export const REST = "*";

export interface Bin {
  layer: string;
  properties: Record<string, Scalar>;
  bounds: Bounds;
}

export interface Tally {
  count: number;
  /** By value of the layer's facet, most first, with `REST` at the end. */
  values: { value: string; count: number }[];
  first: string | null;
  last: string | null;
  /** Metres of lines, square metres of areas; 0 where there are none. */
  length: number;
  area: number;
}

/** What a layer of this geometry shows at a zoom; `some` tells whether bins of it are on the map at all. */
export function shownAt(
  geometry: string | null,
  featuresFrom: number,
  zoom: number | null,
  some: boolean,
): { features: boolean; bins: boolean } {
  if (zoom === null) return { features: true, bins: false };
  const start = geometry === "points" ? featuresFrom : 0;
  return { features: zoom >= start, bins: some || zoom < start };
}

/** Add up what bins of one layer say. */
export function tally(bins: readonly Bin[], facet: string | null): Tally {
  const number = ({ properties }: Bin, name: string): number => Number(properties[name] ?? 0);
  const sum = (name: string): number => bins.reduce((total, bin) => total + number(bin, name), 0);
  const prefix = `${facet}:`;
  const names = new Set(
    facet === null ? [] : bins.flatMap(({ properties }) => Object.keys(properties).filter((name) => name.startsWith(prefix))),
  );
  const values = [...names].map((name) => ({ value: name.slice(prefix.length), count: sum(name) }));
  values.sort((a, b) => Number(a.value === REST) - Number(b.value === REST) || b.count - a.count || (a.value < b.value ? -1 : 1));
  // Texts of one field, written alike, compare as their times do.
  const texts = (name: string): string[] =>
    bins.flatMap(({ properties }) => (typeof properties[name] === "string" ? [properties[name]] : [])).sort();
  return {
    count: sum("count"),
    values,
    first: texts("first")[0] ?? null,
    last: texts("last").at(-1) ?? null,
    length: sum("length"),
    area: sum("area"),
  };
}

export function middleOf({ bounds: [west, south, east, north] }: Bin): [number, number] {
  return [(west + east) / 2, (south + north) / 2];
}

/** Same place, same layer: one bin, from whichever tile or moment it was read. */
export function keyOf({ layer, bounds: [west, south, east] }: Bin): string {
  return [layer, ...[west, south, east].map((value) => value.toFixed(6))].join(" ");
}

export function outlineOf({ bounds: [west, south, east, north] }: Bin): GeoJSON.Polygon {
  return {
    type: "Polygon",
    coordinates: [
      [
        [west, south],
        [east, south],
        [east, north],
        [west, north],
        [west, south],
      ],
    ],
  };
}

/** Where to zoom to look into a bin: until it fills a tile's width, but not beyond what it takes to see each feature. */
export function zoomInto({ bounds: [west, , east] }: Bin, featuresFrom: number, zoom: number): { zoom: number; each: boolean } {
  const filling = Math.log2(360 / (east - west));
  const each = filling >= featuresFrom;
  const wanted = each ? Math.min(filling, featuresFrom + 1) : filling;
  return { zoom: Math.max(wanted, zoom + 1), each };
}

/** Whether a layer of the style, or what it drew, is of bins. */
export function isBin(item: object): boolean {
  const named = item as Record<string, unknown>;
  return String(named["sourceLayer"] ?? named["source-layer"]).endsWith(BINS);
}
