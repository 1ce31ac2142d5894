/** What lies around a place; apart from the other addresses, which all load. */
import type { components } from "./openapi.d.ts";
import { parseExact } from "./json.ts";
import { writeQuery, type Ask } from "./server.ts";

export type Here = components["schemas"]["Here"];
export type Around = components["schemas"]["Around"];

/** Before a layer's id: the parameter that filters it alone. */
export const OWN_FILTER = "filter.";

/** `layers` are ids, of all layers where there is none; `filters` by layer, as CQL2; `version` of all the data that are counted. */
export function askHere(
  at: string,
  radius: number,
  layers: string[],
  filters: Record<string, string>,
  lang: string,
  version: string,
): Ask<Here> {
  const narrowed = Object.entries(filters).map(([layer, filter]): [string, string] => [OWN_FILTER + layer, filter]);
  const query = writeQuery({ at, radius: String(radius), layers: layers.join(","), ...Object.fromEntries(narrowed), lang });
  return { address: `api/here${query}`, version, read: (text) => parseExact(text) as never, alone: true };
}
