/** What a table is sorted by and which columns it has, as the address tells it. */

export interface SortKey {
  name: string;
  descending: boolean;
}

/** `-reported_at,category`: keys of fields that the layer has, each once. */
export function parseSort(text: string | null, names: readonly string[]): SortKey[] {
  const keys = (text ?? "").split(",").map((part) => ({ name: part.replace(/^-/, ""), descending: part.startsWith("-") }));
  return keys.filter(({ name }, at) => names.includes(name) && keys.findIndex((other) => other.name === name) === at);
}

export const writeSort = (keys: readonly SortKey[]): string => keys.map(({ name, descending }) => (descending ? "-" : "") + name).join(",");

/**
 * The order after a press on a column's heading: up, then down, then no more. `more` leaves the other keys in place, and
 * puts a new one behind them.
 */
export function turnSort(keys: readonly SortKey[], name: string, more: boolean): SortKey[] {
  const found = keys.find((key) => key.name === name);
  const next = !found ? { name, descending: false } : found.descending ? null : { name, descending: true };
  if (!more) return next ? [next] : [];
  if (!found) return [...keys, next!];
  return keys.flatMap((key) => (key !== found ? [key] : next ? [next] : []));
}

/** Columns of a layer with more fields than this are those of the first ones, until somebody chooses. */
export const USUAL = 20;

/** Names of fields that the layer has, each once; the layer's own order where nothing is said. */
export function parseColumns(text: string | null, names: readonly string[]): string[] {
  const chosen = [...new Set((text ?? "").split(","))].filter((name) => names.includes(name));
  return chosen.length ? chosen : names.slice(0, USUAL);
}

/** Names in what an address says of a table that the layer has no field of. */
export function listLost(sort: string | null, columns: string | null, names: readonly string[]): string[] {
  const asked = [...(sort ?? "").split(",").map((part) => part.replace(/^-/, "")), ...(columns ?? "").split(",")];
  return [...new Set(asked)].filter((name) => name && !names.includes(name));
}

/** Null where these are what a layer's table has by itself. */
export function writeColumns(chosen: readonly string[], names: readonly string[]): string | null {
  const text = chosen.join(",");
  return text === parseColumns(null, names).join(",") || !chosen.length ? null : text;
}

/** With one of them at another place. */
export function move(columns: readonly string[], name: string, to: number): string[] {
  const others = columns.filter((other) => other !== name);
  const at = Math.max(0, Math.min(others.length, to));
  return [...others.slice(0, at), name, ...others.slice(at)];
}
