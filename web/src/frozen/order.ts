/** Rows in an order, as geoserver/database/keyset.py has it: by keys, with no value last either way, then by their ids. */
import { parseSort } from "../table/order.ts";
import { ApiError } from "../query/server.ts";
import type { Column, Rows } from "./columns.ts";
import { compareTexts } from "./condition.ts";
import type { Matched } from "./evaluate.ts";

/** Places of the matched rows in the file, in the order of `sortby`. */
export async function putInOrder(rows: Rows, { rows: chosen, count }: Matched, sortby: string): Promise<Uint32Array> {
  const names = rows.fields.map(({ name }) => name);
  const keys = parseSort(sortby.replace(/(^|,)[+ ]/g, "$1"), names);
  if (sortby && keys.length !== sortby.split(",").length)
    throw new ApiError(400, `sortby: got '${sortby}'; expected distinct fields, each with + or - before it`, "sortby");
  const compared: Compare[] = [];
  for (const { name, descending } of keys) compared.push(comparerOf(await rows.column(name), descending));
  const fids = await rows.fids();
  const found = new Uint32Array(count);
  let at = 0;
  for (let row = 0; row < chosen.length; row++) if (chosen[row]) found[at++] = row;
  return found.sort((a, b) => {
    for (const compare of compared) {
      const order = compare(a, b);
      if (order) return order;
    }
    return fids[a]! - fids[b]!;
  });
}

/** Two places in the file. */
type Compare = (a: number, b: number) => number;

function comparerOf(column: Column, descending: boolean): Compare {
  const turn = descending ? -1 : 1;
  if (column.kind === "text") {
    const { codes, values } = column;
    const sorted = values.map((_, code) => code).sort((a, b) => compareTexts(values[a]!, values[b]!));
    const ranks = new Uint32Array(values.length);
    sorted.forEach((code, rank) => (ranks[code] = rank));
    return (a, b) => {
      const [one, other] = [codes[a]!, codes[b]!];
      if (one < 0 || other < 0) return Number(one < 0) - Number(other < 0);
      return turn * (ranks[one]! - ranks[other]!);
    };
  }
  const { none } = column;
  const values = column.exact ?? column.values;
  return (a, b) => {
    if (none && (none[a] || none[b])) return none[a]! - none[b]!;
    const [one, other] = [values[a]!, values[b]!];
    // What is no number is above all others.
    return turn * (one < other ? -1 : one > other ? 1 : Number(one !== one) - Number(other !== other));
  };
}
