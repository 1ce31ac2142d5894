/** What a filter leaves, counted or measured by groups, as geoserver/database/aggregates.py has it; areas need the server. */
import type { Aggregate, Field, LayerDetail, Scalar } from "../query/types.ts";
import { ApiError } from "../query/server.ts";
import { chooseUnit, layEdges, next, numberBucket, startBucket, UNITS, type Unit } from "./buckets.ts";
import { DAY, type Numbers, type Rows } from "./columns.ts";
import { compareTexts } from "./condition.ts";
import type { Matched } from "./evaluate.ts";
import { writeDay, writeTime } from "./moments.ts";
import { isTime, placer, rangeOf, readValue } from "./summary.ts";

const [OTHERS, NONE] = [-1, -2];
const SECOND = 1_000_000;
const MOST_BUCKETS = 10_000;
const MOST_CELLS = 100_000;
const AUTO_BINS = 20;
export const VALUES = 20;
const RECURRENCES: Record<string, number[]> = {
  "hour-of-day": Array.from({ length: 24 }, (_, at) => at),
  weekday: [1, 2, 3, 4, 5, 6, 7],
  "month-of-year": Array.from({ length: 12 }, (_, at) => at + 1),
};
const MEASURES = ["count", "sum", "avg", "min", "max", "median"] as const;
type Measured = (typeof MEASURES)[number];

/** A group laid over the rows: the number of the value of each, and how the answer tells of it. */
interface Axis {
  place: (row: number) => number;
  document: Aggregate["groups"][number];
}

export interface Asked {
  group: string;
  measure: string;
  /** Values that are listed of a field. */
  limit: number;
  /** What "no" and "yes" are for the reader. */
  truth: [no: string, yes: string];
}

const refuse = (parameter: string, detail: string): never => {
  throw new ApiError(400, `${parameter}: ${detail}`, parameter);
};

export async function aggregate(rows: Rows, detail: LayerDetail, matched: Matched, asked: Asked): Promise<Aggregate> {
  const axes: Axis[] = [];
  for (const text of splitGroups(asked.group, rows)) axes.push(await layAxis(rows, detail, matched, text, asked));
  const [of, name] = readMeasure(asked.measure, rows);
  const column = name ? ((await rows.column(name)) as Numbers) : null;
  const cells = gather(axes, matched, of, column);
  if (cells.length > MOST_CELLS) refuse("group", `${cells.length} cells; expected fewer: longer buckets, fewer bins, or one group`);
  const field = name ? detail.fields.find((each) => each.name === name)! : null;
  return {
    layer: detail.id,
    version: detail.version,
    count: matched.count,
    measure: { of, ...(field && { field: field.name, title: field.title, unit: field.unit }) },
    groups: axes.map(({ document }) => document),
    cells,
  } as Aggregate;
}

/** A field's name may hold a comma, too. */
function splitGroups(text: string, rows: Rows): string[] {
  if (!text) return [];
  const parts = text.split(",");
  for (let at = 1; at <= parts.length; at++) {
    const ways = [parts.slice(0, at).join(","), parts.slice(at).join(",")].filter(Boolean).map((way) => way.trim());
    if (ways.every((way) => rows.field(way) ?? rows.field(way.slice(0, Math.max(0, way.lastIndexOf(":")))))) return ways;
  }
  return /(^|,)in:/.test(text)
    ? refuse("group", "areas of another layer are counted by the live map alone")
    : refuse("group", `got '${text}'; expected fields of the layer`);
}

function readMeasure(text: string, rows: Rows): [Measured, string | null] {
  const [of, ...name] = (text || "count").split(":");
  const field = rows.field(name.join(":"));
  if (of === "count" && !name.length) return ["count", null];
  if (field && (field.type === "integer" || field.type === "number") && MEASURES.includes(of as Measured))
    return [of as Measured, field.name];
  return refuse("measure", `got '${text}'; expected count, or a measure of a number`);
}

async function layAxis(rows: Rows, { fields }: LayerDetail, matched: Matched, text: string, asked: Asked): Promise<Axis> {
  const named = (name: string): Field | undefined => fields.find((each) => each.name === name);
  const own = named(text);
  const field = own ?? named(text.slice(0, text.lastIndexOf(":")))!;
  const how = own ? "" : text.slice(text.lastIndexOf(":") + 1);
  if (!how && (field.filter === "choice" || field.type === "text" || field.type === "boolean"))
    return layValues(rows, matched, field, asked);
  const column = await rows.column(field.name);
  if (column.kind === "text" || field.type === "boolean")
    return refuse("group", `${field.name} without a colon: its values are no times or numbers`);
  if (!isTime(field)) return layNumbers(field, column, matched, !how || how === "auto" ? AUTO_BINS : Number(how));
  if (how in RECURRENCES) return layRecurring(field, column, how);
  const unit = UNITS.find((each) => each === how);
  return unit || how === "auto" || how === ""
    ? layTimes(field, column, matched, unit)
    : refuse("group", `${text}: expected auto or a unit of time`);
}

async function layValues(rows: Rows, { rows: chosen }: Matched, field: Field, { limit, truth }: Asked): Promise<Axis> {
  const column = await rows.column(field.name);
  const counts = new Map<Scalar, number>();
  const value =
    column.kind === "text" ? (row: number): Scalar => column.codes[row]! : (row: number): Scalar => readValue(field, column, row);
  const none = column.kind === "text" ? -1 : null;
  for (let row = 0; row < chosen.length; row++) if (chosen[row]) counts.set(value(row), (counts.get(value(row)) ?? 0) + 1);
  counts.delete(none);
  const shown = (key: Scalar): Scalar => (column.kind === "text" ? column.values[key as number]! : key);
  const order = (a: Scalar, b: Scalar): number =>
    typeof a === "string" && typeof b === "string" ? compareTexts(a, b) : Number(a) < Number(b) ? -1 : Number(Number(a) > Number(b));
  const keys = [...counts].sort(([a, n], [b, m]) => m - n || order(shown(a), shown(b))).map(([key]) => key);
  const values = keys.slice(0, limit).map(shown);
  const places = new Map(keys.map((key, at) => [key, at < limit ? at : OTHERS]));
  const labels = values.map(
    (each) =>
      field.choices?.find(({ value }) => value === each)?.label ??
      field.labels[String(each)] ??
      (typeof each === "boolean" ? truth[Number(each)]! : String(each)),
  );
  const document = {
    kind: "category",
    field: field.name,
    title: field.title,
    values,
    distinct: keys.length,
    others: keys.length - values.length,
    labels,
  };
  return { place: (row) => places.get(value(row)) ?? NONE, document: document as Axis["document"] };
}

function layTimes(field: Field, column: Numbers, { rows }: Matched, asked: Unit | undefined): Axis {
  const range = rangeOf(column, rows);
  const document = (bucket: string | null, values: string[], ends: string[], incomplete: string[]): Axis["document"] =>
    ({ kind: "time", field: field.name, title: field.title, bucket, values, ends, incomplete }) as Axis["document"];
  if (!range) return { place: () => NONE, document: document(asked ?? null, [], [], []) };
  const [low, high] = [Math.floor(range.low / SECOND), Math.floor(range.high / SECOND)];
  const unit = asked ?? chooseUnit(low, high, field.type === "date");
  const [first, last] = [numberBucket(unit, low), numberBucket(unit, high)];
  if (last - first >= MOST_BUCKETS) refuse("group", `${field.name}:${unit}: expected longer buckets, or a filter of less time`);
  const starts = Array.from({ length: last - first + 2 }, (_, at) => startBucket(unit, first + at));
  const told = starts.map((second) => (unit === "hour" ? writeTime : writeDay)(second * SECOND)!);
  const place = placer(Float64Array.from(starts, (second) => second * SECOND));
  const cut = findIncomplete(field, column, unit, starts).map((at) => told[at]!);
  return {
    place: (row) => (column.none?.[row] ? NONE : orNone(place(column.values[row]!))),
    document: document(unit, told.slice(0, -1), told.slice(1), cut),
  };
}

const orNone = (at: number): number => (at < 0 ? NONE : at);

/** The first and the last bucket where all that there is begins later or ends earlier than they do. */
function findIncomplete(field: Field, column: Numbers, unit: Unit, starts: number[]): number[] {
  const whole = rangeOf(column);
  if (!whole || (unit === "day" && field.type === "date")) return [];
  const grain = unit === "hour" ? 60 : unit === "day" ? 3600 : DAY / SECOND;
  const low = Math.floor(Math.floor(whole.low / SECOND) / grain) * grain;
  const high = Math.floor(Math.ceil(whole.high / SECOND) / grain) * grain + grain;
  const last = starts.length - 2;
  const cut = starts[0]! < low && low < starts[1]! ? [0] : [];
  return starts[last]! < high && high < starts[last + 1]! && !cut.includes(last) ? [...cut, last] : cut;
}

function layRecurring(field: Field, column: Numbers, unit: string): Axis {
  const values = RECURRENCES[unit]!;
  const read = (micros: number): number => {
    const date = new Date(Math.floor(micros / 1000));
    if (unit === "hour-of-day") return date.getUTCHours();
    return unit === "weekday" ? (date.getUTCDay() + 6) % 7 : date.getUTCMonth();
  };
  const place = (row: number): number => {
    const value = column.values[row]!;
    return column.none?.[row] || !Number.isFinite(value) ? NONE : read(value);
  };
  return { place, document: { kind: "time", field: field.name, title: field.title, bucket: unit, values } as Axis["document"] };
}

function layNumbers(field: Field, column: Numbers, { rows }: Matched, bins: number): Axis {
  if (!(Number.isInteger(bins) && bins >= 1 && bins <= 1000))
    refuse("group", `${field.name}: expected auto, or a number of bins from 1 to 1,000`);
  const range = rangeOf(column, rows);
  const whole = field.type === "integer";
  const edges = range ? layEdges(range.low, range.high, bins, whole) : [];
  const place = edges.length ? placer(whole ? edges : [...edges.slice(0, -1), next(edges.at(-1)!)]) : () => NONE;
  return {
    place: (row) => (column.none?.[row] ? NONE : orNone(place(column.values[row]!))),
    document: { kind: "number", field: field.name, title: field.title, edges, unit: field.unit } as Axis["document"],
  };
}

/** What is measured of each cell that has rows, in the order of the cells. */
function gather(axes: Axis[], { rows }: Matched, of: Measured, column: Numbers | null): number[][] {
  const cells = new Map<string, { places: number[]; count: number; values: number[] }>();
  for (let row = 0; row < rows.length; row++) {
    if (!rows[row]) continue;
    const places = axes.map(({ place }) => place(row));
    const key = places.join();
    let cell = cells.get(key);
    if (!cell) cells.set(key, (cell = { places, count: 0, values: [] }));
    cell.count += 1;
    const value = column && !column.none?.[row] ? column.values[row]! : NaN;
    if (Number.isFinite(value)) cell.values.push(value);
  }
  const found = axes.length || cells.size ? [...cells.values()] : [{ places: [], count: 0, values: [] }];
  return found
    .map(({ places, count, values }) => [...places, of === "count" ? count : measure(of, values)])
    .filter((cell) => Number.isFinite(cell.at(-1)))
    .sort((a, b) => a[0]! - b[0]! || (axes.length > 1 ? a[1]! - b[1]! : 0));
}

function measure(of: Measured, values: number[]): number {
  if (!values.length) return NaN;
  const sum = (): number => values.reduce((total, value) => total + value, 0);
  if (of === "sum") return sum();
  if (of === "avg") return sum() / values.length;
  if (of === "min") return values.reduce((a, b) => Math.min(a, b));
  if (of === "max") return values.reduce((a, b) => Math.max(a, b));
  const sorted = Float64Array.from(values).sort();
  const middle = (sorted.length - 1) / 2;
  const [low, high] = [sorted[Math.floor(middle)]!, sorted[Math.ceil(middle)]!];
  return low + (high - low) * (middle - Math.floor(middle));
}
