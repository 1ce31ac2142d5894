/** The names of a layer's areas. */
import { parseExact } from "../query/json.ts";
import { writeQuery, type Ask } from "../query/server.ts";
import type { Feature, LayerSummary } from "../query/types.ts";

/** So many fit into a list. */
export const MOST_NAMES = 1000;

export function askNames(layer: LayerSummary, fields: string[]): Ask<{ features: Feature[]; numberMatched: number }> {
  const query = writeQuery({
    f: "json",
    limit: String(MOST_NAMES),
    skipGeometry: "true",
    properties: fields.join(","),
    sortby: fields.slice(0, 1).join(),
  });
  const address = `ogc/collections/${encodeURIComponent(layer.id)}/items${query}`;
  return { address, version: layer.version, read: (text) => parseExact(text) as never, alone: true };
}
