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
  // As a rule rows lie in the order of their ids.
  const sorted = fids.every((fid, row) => row === 0 || fid > fids[row - 1]!);
  if (sorted && !keys.length) return found;
  if (sorted && keys.length === 1) return putByRank(found, await rows.column(keys[0]!.name), keys[0]!.descending);
  return found.sort((a, b) => {
    for (const compare of compared) {
      const order = compare(a, b);
      if (order) return order;
    }
    return fids[a]! - fids[b]!;
  });
}

/** Numbers up to which rank and row are one number to be sorted by. */
const ROWS = 2 ** 23;

/** By one key: many times as quick as by comparing two rows after the other. */
function putByRank(found: Uint32Array, column: Column, descending: boolean): Uint32Array {
  const ranks = rankOf(column);
  const [least, turn] = descending ? [ranks.most, -1] : [0, 1];
  const keys = Float64Array.from(found, (row) => (ranks.of(row) < 0 ? ranks.most + 1 : least + turn * ranks.of(row)) * ROWS + row).sort();
  return Uint32Array.from(keys, (key) => key % ROWS);
}

/** The place of each row's value among the different ones; -1 where it has none. */
function rankOf(column: Column): { most: number; of: (row: number) => number } {
  if (column.kind === "text") {
    const { codes, values } = column;
    const ranks = rankTexts(values);
    return { most: values.length, of: (row) => (codes[row]! < 0 ? -1 : ranks[codes[row]!]!) };
  }
  const { none } = column;
  const values = column.exact ?? column.values;
  const sorted = values.slice().sort();
  const different = sorted.filter((value, at) => at === 0 || !Object.is(value, sorted[at - 1]));
  const place = (value: number | bigint): number => {
    // What is no number is above all others.
    if (value !== value) return different.length - 1;
    let [low, high] = [0, different.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (different[middle]! < value) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return { most: different.length, of: (row) => (none?.[row] ? -1 : place(values[row]!)) };
}

function rankTexts(values: string[]): Uint32Array {
  const sorted = values.map((_, code) => code).sort((a, b) => compareTexts(values[a]!, values[b]!));
  const ranks = new Uint32Array(values.length);
  sorted.forEach((code, rank) => (ranks[code] = rank));
  return ranks;
}

/** Two places in the file. */
type Compare = (a: number, b: number) => number;

function comparerOf(column: Column, descending: boolean): Compare {
  const turn = descending ? -1 : 1;
  if (column.kind === "text") {
    const { codes, values } = column;
    const ranks = rankTexts(values);
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
