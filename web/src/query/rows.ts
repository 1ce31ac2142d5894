/** One function per address that tells of rows in an order; apart from the others, which all load. */
import type { components } from "./openapi.d.ts";
import { parseExact } from "./json.ts";
import { writeQuery, type Ask } from "./server.ts";
import type { Feature, LayerSummary } from "./types.ts";

export type RowMarks = components["schemas"]["RowMarks"];
export type RowPlace = components["schemas"]["RowPlace"];
export type Row = Pick<Feature, "id" | "properties">;

/** Rows of a layer under a filter in CQL2, in an order as `sortby` has it. */
export interface Ordered {
  layer: LayerSummary;
  filter: string;
  sort: string;
}

const id = encodeURIComponent;
const read = (text: string): never => parseExact(text) as never;

/** So many rows that begin `offset` rows behind a cursor, or behind the first row. */
export function askRows(
  { layer, filter, sort }: Ordered,
  fields: readonly string[],
  limit: number,
  start: { cursor: string; offset: number },
): Ask<{ features: Row[] }> {
  const query = writeQuery({
    f: "json",
    limit: String(limit),
    skipGeometry: "true",
    properties: fields.join(","),
    filter,
    sortby: sort,
    cursor: start.cursor,
    offset: start.offset ? String(start.offset) : "",
  });
  return { address: `ogc/collections/${id(layer.id)}/items${query}`, version: layer.version, read };
}

export function askMarks({ layer, filter, sort }: Ordered): Ask<RowMarks> {
  return {
    address: `api/layers/${id(layer.id)}/rows/marks${writeQuery({ filter, sortby: sort })}`,
    version: layer.version,
    read,
    alone: true,
  };
}

export function askPlace({ layer, filter, sort }: Ordered, fid: number): Ask<RowPlace> {
  return {
    address: `api/layers/${id(layer.id)}/rows/${fid}${writeQuery({ filter, sortby: sort })}`,
    version: layer.version,
    read,
    alone: true,
  };
}
