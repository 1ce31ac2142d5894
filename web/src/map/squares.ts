/** Squares that stand for many features: when they are shown, what one says, and what several say together. */
import type { Bounds, Scalar } from "../query/types.ts";

/** Ends the names of what holds and draws a layer's squares: parts of tiles, layers of the style. */
export const BINS = ":bins";

/** The rest of a layer's counts by value. */
export const REST = "*";

export interface Square {
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

/** What a layer of this geometry shows at a zoom; `some` tells whether squares of it are on the map at all. */
export function shownAt(
  geometry: string | null,
  featuresFrom: number,
  zoom: number | null,
  some: boolean,
): { features: boolean; squares: boolean } {
  if (zoom === null) return { features: true, squares: false };
  const start = geometry === "points" ? featuresFrom : 0;
  return { features: zoom >= start, squares: some || zoom < start };
}

/** Add up what squares of one layer say. */
export function tally(squares: readonly Square[], facet: string | null): Tally {
  const number = ({ properties }: Square, name: string): number => Number(properties[name] ?? 0);
  const sum = (name: string): number => squares.reduce((total, square) => total + number(square, name), 0);
  const prefix = `${facet}:`;
  const names = new Set(
    facet === null ? [] : squares.flatMap(({ properties }) => Object.keys(properties).filter((name) => name.startsWith(prefix))),
  );
  const values = [...names].map((name) => ({ value: name.slice(prefix.length), count: sum(name) }));
  values.sort((a, b) => Number(a.value === REST) - Number(b.value === REST) || b.count - a.count || (a.value < b.value ? -1 : 1));
  // Texts of one field, written alike, compare as their times do.
  const texts = (name: string): string[] =>
    squares.flatMap(({ properties }) => (typeof properties[name] === "string" ? [properties[name]] : [])).sort();
  return {
    count: sum("count"),
    values,
    first: texts("first")[0] ?? null,
    last: texts("last").at(-1) ?? null,
    length: sum("length"),
    area: sum("area"),
  };
}

export function middleOf({ bounds: [west, south, east, north] }: Square): [number, number] {
  return [(west + east) / 2, (south + north) / 2];
}

/** Same place, same layer: one square, from whichever tile or moment it was read. */
export function keyOf({ layer, bounds: [west, south, east] }: Square): string {
  return [layer, ...[west, south, east].map((value) => value.toFixed(6))].join(" ");
}

export function outlineOf({ bounds: [west, south, east, north] }: Square): GeoJSON.Polygon {
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

/** Where to zoom to look into a square: until it fills a tile's width, but not beyond what it takes to see each feature. */
export function zoomInto({ bounds: [west, , east] }: Square, featuresFrom: number, zoom: number): { zoom: number; each: boolean } {
  const filling = Math.log2(360 / (east - west));
  const each = filling >= featuresFrom;
  const wanted = each ? Math.min(filling, featuresFrom + 1) : filling;
  return { zoom: Math.max(wanted, zoom + 1), each };
}
