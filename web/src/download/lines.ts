/** Lines by which programs get the same rows. Addresses hold no sign that ends a string or means something to a shell. */
import { nameOfFile, writeAddress, type Wish } from "./addresses.ts";

export interface Line {
  tool: string;
  code: string;
}

/** In place of a key, where not everybody may read a layer. */
const KEY = "YOUR_KEY";

export interface Source {
  /** Where the page lives. */
  root: string;
  layer: string;
  /** Ids of formats that there are, of features and of readings. */
  formats: string[];
  readings: string[];
  /** What is asked, of features and of readings. */
  wish: Pick<Wish, "filter" | "crs" | "fields">;
  during: Pick<Wish, "filter" | "datetime">;
  restricted: boolean;
}

/** One for each program that can read what there is. */
export function writeLines(source: Source): Line[] {
  const { layer, formats, restricted } = source;
  const at = (format: string, how: Partial<Wish> = {}): string => {
    const wish = { layer, of: "features" as const, format, ...source.wish, ...how };
    return new URL(writeAddress(wish), source.root).href;
  };
  const key = restricted ? { key: KEY } : {};
  const file = (format: string): string => nameOfFile({ layer, of: "features", format });
  const curl = (format: string): string =>
    `curl --fail ${restricted ? `-H "Authorization: Bearer ${KEY}" ` : ""}-o "${file(format)}" "${at(format)}"`;
  const lines: (Line & { needs: string })[] = [
    { tool: "curl", needs: "csv", code: curl("csv") },
    { tool: "Python (geopandas)", needs: "fgb", code: `import geopandas\n\nrows = geopandas.read_file("${at("fgb", key)}")` },
    {
      tool: "R (sf)",
      needs: "gpkg",
      code: `library(sf)\n\ndownload.file("${at("gpkg", key)}", "${file("gpkg")}", mode = "wb")\nrows <- st_read("${file("gpkg")}", layer = "${layer}")`,
    },
    // A document is read once and kept, while a stream would be fetched anew for each look at the map.
    { tool: "QGIS", needs: "geojson", code: `iface.addVectorLayer("${at("geojson", { ...key, crs: "" })}", "${layer}", "ogr")` },
    { tool: "ogr2ogr", needs: "fgb", code: `ogr2ogr "${file("gpkg")}" "/vsicurl_streaming/${at("fgb", key)}"` },
    { tool: "DuckDB", needs: "parquet", code: `${curl("parquet")}\nduckdb -c "SELECT * FROM '${file("parquet")}' LIMIT 10"` },
  ];
  const found: Line[] = lines.filter(({ needs }) => formats.includes(needs)).map(({ needs: _, ...line }) => line);
  return source.readings.includes("csv") ? [...found, readReadings(source, key)] : found;
}

function readReadings({ root, layer, during }: Source, key: Partial<Wish>): Line {
  const wish = { layer, of: "readings" as const, format: "csv", ...during, ...key };
  return { tool: "Python (pandas)", code: `import pandas\n\nreadings = pandas.read_csv("${new URL(writeAddress(wish), root).href}")` };
}
