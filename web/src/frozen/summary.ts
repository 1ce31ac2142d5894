/** Count, facets and histograms of the rows that a filter leaves, as geoserver/database/summaries.py has them. */
import type { Field, Scalar, Summary } from "../query/types.ts";
import { next } from "./buckets.ts";
import { DAY, type Column, type Numbers, type Rows, type Texts } from "./columns.ts";
import { compareTexts } from "./condition.ts";
import type { Matched } from "./evaluate.ts";
import { writeDay, writeTime } from "./moments.ts";

const BINS = 40;
const MOST_CHOICES = 100;
const SECOND = 1_000_000;

export async function summarise(rows: Rows, matched: Matched, fields: Field[]): Promise<Summary> {
  const facets: Summary["facets"] = {};
  const histograms: Record<string, unknown> = {};
  for (const field of fields) {
    const column = await rows.column(field.name);
    if (hasRange(field)) histograms[field.name] = spread(field, column as Numbers, matched);
    else facets[field.name] = tally(field, column, matched).slice(0, MOST_CHOICES);
  }
  return { count: matched.count, total: rows.count, facets, histograms } as Summary;
}

export const isTime = ({ type }: Field): boolean => type === "date" || type === "timestamp";
const hasRange = (field: Field): boolean =>
  field.filter === "range" || (field.filter !== "choice" && (isTime(field) || field.type === "integer" || field.type === "number"));

/** A value as the server's documents have it; what is not finite is none. */
export function readValue(field: Field, column: Column, row: number): Scalar {
  if (column.kind === "text") return column.codes[row]! < 0 ? null : column.values[column.codes[row]!]!;
  if (column.none?.[row]) return null;
  const value = column.values[row]!;
  if (!Number.isFinite(value)) return null;
  if (field.type === "boolean") return value === 1;
  if (field.type === "date") return writeDay(value);
  if (field.type === "timestamp") return writeTime(value);
  return column.exact && !Number.isSafeInteger(value) ? column.exact[row]! : value;
}

/** The values with how many rows have each, most first. */
export function tally(field: Field, column: Column, { rows }: Matched): { value: Scalar; count: number }[] {
  const found = column.kind === "text" ? tallyTexts(column, rows) : tallyNumbers(field, column, rows);
  const text = ({ value }: { value: Scalar }): string => (typeof value === "boolean" ? (value ? "True" : "False") : String(value));
  return found.sort((a, b) => b.count - a.count || Number(a.value === null) - Number(b.value === null) || compareTexts(text(a), text(b)));
}

function tallyTexts({ codes, values }: Texts, rows: Uint8Array): { value: Scalar; count: number }[] {
  const counts = new Uint32Array(values.length + 1);
  for (let row = 0; row < rows.length; row++) if (rows[row]) counts[codes[row]! + 1]! += 1;
  return [...counts].flatMap((count, at) => (count ? [{ value: at ? values[at - 1]! : null, count }] : []));
}

function tallyNumbers(field: Field, column: Numbers, rows: Uint8Array): { value: Scalar; count: number }[] {
  const counts = new Map<Scalar, number>();
  for (let row = 0; row < rows.length; row++) {
    if (!rows[row]) continue;
    const value = readValue(field, column, row);
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return [...counts].map(([value, count]) => ({ value, count }));
}

/** Between two values that follow each other; 0 where there is always one between. Of times in microseconds. */
const stepOf = ({ type }: Field): number => ({ date: DAY, timestamp: SECOND, integer: 1 })[type as string] ?? 0;

/** Least and greatest finite value of all rows; null where there is none. */
export function rangeOf({ values, none }: Numbers, rows: Uint8Array | null = null): { low: number; high: number } | null {
  let [low, high] = [Infinity, -Infinity];
  for (let row = 0; row < values.length; row++) {
    const value = values[row]!;
    if (none?.[row] || (rows && !rows[row]) || !Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low > high ? null : { low, high };
}

/** Bins of equal width over all that the layer has, so that they stay where they are when a filter changes. */
function spread(field: Field, column: Numbers, { rows }: Matched): unknown {
  const range = rangeOf(column);
  if (!range) return { min: null, max: null, bins: [] };
  const unit = stepOf(field);
  let { low, high } = range;
  if (isTime(field)) [low, high] = [Math.floor(low / SECOND) * SECOND, Math.ceil(high / SECOND) * SECOND];
  let step = unit ? Math.ceil((Math.floor((high - low) / unit) + 1) / BINS) * unit : (high - low) / BINS;
  let size = unit ? Math.ceil((high - low + unit) / step) : BINS;
  // A range too narrow or too wide for doubles to divide is one bin.
  if (!unit && !(step > 0 && step < Infinity)) [step, size] = [1, 1];
  const edges = Array.from({ length: size + 1 }, (_, at) => (!unit && at === size ? high : low + at * step));
  const counts = countSteps(column, rows, unit ? edges : [...edges.slice(0, -1), next(high)]);
  const show = (value: number): Scalar => (isTime(field) ? showTime(field, value) : value);
  const bins = [...counts].map((count, at) => ({ from: show(edges[at]!), to: show(edges[at + 1]!), count }));
  return { min: show(low), max: show(high), bins };
}

const showTime = (field: Field, micros: number): string | null => (field.type === "date" ? writeDay(micros) : writeTime(micros));

/** Rows between one edge and the next one; those before the first and from the last one on are in none. */
function countSteps({ values, none }: Numbers, rows: Uint8Array, edges: number[]): Uint32Array {
  const counts = new Uint32Array(edges.length - 1);
  const place = placer(edges);
  for (let row = 0; row < rows.length; row++) {
    if (!rows[row] || none?.[row]) continue;
    const at = place(values[row]!);
    if (at >= 0) counts[at]! += 1;
  }
  return counts;
}

/** The number of the step that a value is in, from 0; -1 for none. */
export function placer(edges: ArrayLike<number>): (value: number) => number {
  const last = edges.length - 1;
  const width = (edges[last]! - edges[0]!) / last;
  return (value) => {
    if (!(value >= edges[0]! && value < edges[last]!)) return -1;
    // Steps are about alike: a guess that is set right.
    let at = Math.min(last - 1, Math.max(0, Math.floor((value - edges[0]!) / width)));
    while (value < edges[at]!) at -= 1;
    while (value >= edges[at + 1]!) at += 1;
    return at;
  };
}
