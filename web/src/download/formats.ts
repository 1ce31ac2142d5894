/** In which order and groups files are offered: what most people can open comes first. */
import type { LayerDetail } from "../query/types.ts";

export type Download = LayerDetail["downloads"][number];

/** A file that is offered; `plain`: the same format without the ways of a language, for programs. */
export interface Offer extends Download {
  plain: boolean;
}

const EVERYONE = ["xlsx", "csv", "kml", "gpx"];
const EXPERTS = ["gpkg", "shp.zip", "geojson", "csv", "parquet", "fgb", "geojsonl"];
/** No file of rows: what goes with one. */
export const README = "readme.txt";

/** Those for everyone, and those for experts; a format that this page does not know is one for experts. */
export function groupOffers(downloads: Download[], of: Download["of"]): { everyone: Offer[]; experts: Offer[] } {
  const there = downloads.filter((each) => each.of === of && each.format !== README);
  const pick = (formats: string[], plain: boolean): Offer[] =>
    formats.flatMap((format) => there.filter((each) => each.format === format).map((each) => ({ ...each, plain })));
  const known = [...EVERYONE, ...EXPERTS];
  const others = there.filter(({ format }) => !known.includes(format)).map((each) => ({ ...each, plain: true }));
  return { everyone: pick(EVERYONE, false), experts: [...pick(EXPERTS, true), ...others] };
}

/** About how many bytes a file with so many of all rows has; null where nothing is known. */
export function estimateBytes(bytes: number, count: number, total: number): number | null {
  if (!bytes || !total) return null;
  return Math.ceil((bytes * count) / total);
}
