/** What the server counted, as a chart shows it: places along an axis, series, and a number for each pair. */
import type { Aggregate, Field, LayerDetail, LegendEntry, Scalar } from "../query/types.ts";
import type { Words } from "../ui/i18n.svelte.ts";
import { describePeriod, eraOf } from "../filter/periods.ts";
import { addDays, toDays } from "../ui/dates.ts";
import type { Spec, Step } from "./spec.ts";

export type AggregateGroup = Aggregate["groups"][number];
type TimeGroup = Extract<AggregateGroup, { kind: "time" }>;

/** Of the light and of the dark page. */
export interface Paint {
  light: string;
  dark: string;
}

/** A place on an axis: a bucket of time, a bin, a value, an area. */
export interface Place {
  /** In full, for readers, tables and files. */
  label: string;
  lang: string | undefined;
  /** Number in the answer; -1 for values that are not listed, -2 for none. */
  key: number;
  incomplete: boolean;
}

export interface Series {
  label: string;
  lang: string | undefined;
  /** Values of the field that it stands for; none for the rest. */
  values: Scalar[];
  paint: Paint | null;
}

export interface Model {
  group: AggregateGroup;
  /** The number against which the first one is drawn. */
  against: Extract<AggregateGroup, { kind: "number" }> | null;
  places: Place[];
  /** One that stands for all where nothing splits them; of a heat map its rows. */
  series: Series[];
  /** By place, by series; null where there is nothing to measure. */
  cells: (number | null)[][];
  /** By place, of all series together; null as above. */
  totals: (number | null)[];
  /** Rows that have no place on an axis: how many, where they are counted. */
  outside: number;
  /** Sums and counts can stand on each other; averages cannot. */
  stacks: boolean;
  overlaps: boolean;
}

/** Colours by which series are told apart, at most; what is left over is grey. */
export const MOST_COLOURS = 7;
const PAINTS: Paint[] = [
  { light: "#33608c", dark: "#7fb0dc" },
  { light: "#c2562d", dark: "#f0936f" },
  { light: "#2f8a5b", dark: "#79c79a" },
  { light: "#8a5a9e", dark: "#c79adb" },
  { light: "#a67c00", dark: "#e0bd55" },
  { light: "#1f8f9c", dark: "#6ed0d8" },
];
export const REST: Paint = { light: "#9aa1a6", dark: "#7c858c" };

const OTHERS = -1;
const NONE = -2;

/** Whether an answer is one to this question, and not to the one before. */
export function isAnswer(found: Aggregate, { group, by, measure }: Spec): boolean {
  const groups = [group, ...(by ? [by] : [])];
  const nameOf = (each: { kind: string; field?: string; layer?: string }): string => each.field ?? `in:${each.layer}`;
  return (
    found.groups.length === groups.length &&
    groups.every((each, at) => nameOf(each) === nameOf(found.groups[at]!) && each.kind === found.groups[at]!.kind) &&
    (group.kind !== "time" || group.step === "auto" || group.step === (found.groups[0] as TimeGroup).bucket) &&
    (measure?.of ?? "count") === found.measure.of &&
    measure?.field === found.measure.field
  );
}

const canStack = ({ measure }: Aggregate): boolean => measure.of === "count" || measure.of === "sum";

export function buildModel(found: Aggregate, layer: LayerDetail, words: Words, others: (count: number) => string): Model {
  const [group, by] = found.groups as [AggregateGroup, AggregateGroup | undefined];
  const places = listPlaces(group, layer, words);
  const stacks = canStack(found);
  const against = by?.kind === "number" ? by : null;
  const split = by?.kind === "category" ? listSeries(by, layer, words, found, others(0)) : null;
  const series: Series[] = against
    ? listPlaces(against, layer, words).map(({ label, lang }) => ({ label, lang, values: [], paint: null }))
    : (split?.series ?? [{ label: "", lang: undefined, values: [], paint: null }]);
  const keys = new Set(found.cells.map(([key]) => key));
  if (group.kind === "category" && keys.has(OTHERS))
    places.push({ label: others(group.others), lang: undefined, key: OTHERS, incomplete: false });
  if (group.kind === "category" && keys.has(NONE))
    places.push({ label: words.t("noValue"), lang: undefined, key: NONE, incomplete: false });
  const at = new Map(places.map(({ key }, index) => [key, index]));
  const empty = stacks ? 0 : null;
  // A bucket, bin or area without rows has none: that is a number too.
  const cells = places.map(() => series.map((): number | null => (against ? null : empty)));
  let outside = 0;
  for (const cell of found.cells) {
    const value = Number(cell.at(-1));
    const row = cells[at.get(Number(cell[0])) ?? -1];
    const column = !by ? 0 : against ? Number(cell[1]) : split!.seriesOf(Number(cell[1]));
    if (row && column >= 0 && column < series.length) row[column] = stacks ? (row[column] ?? 0) + value : value;
    else if (stacks) outside += value;
  }
  const totals = cells.map((row) => {
    const known = row.filter((value): value is number => value !== null);
    if (!known.length) return null;
    return stacks ? known.reduce((sum, value) => sum + value, 0) : Math.max(...known);
  });
  return { group, against, places, series, cells, totals, outside, stacks, overlaps: found.overlaps ?? false };
}

function listPlaces(group: AggregateGroup, layer: LayerDetail, words: Words): Place[] {
  const field = "field" in group ? layer.fields.find(({ name }) => name === group.field) : undefined;
  if (group.kind === "time") {
    return group.values.map((value, key) => {
      const label = describeBucket(words, group.bucket as Step, value, group.ends?.[key]);
      return { label, lang: undefined, key, incomplete: group.incomplete?.includes(String(value)) ?? false };
    });
  }
  if (group.kind === "number") {
    const whole = field?.type === "integer";
    return group.edges.slice(1).map((end, key) => {
      const label = describeBin(words, group.edges[key]!, whole ? end - 1 : end, group.unit);
      return { label, lang: undefined, key, incomplete: false };
    });
  }
  return group.values.map((value, key) => ({
    label: field ? words.formatValue(field, value) : group.labels[key]!,
    lang: field ? words.langOf(layer, field, value) : undefined,
    key,
    incomplete: false,
  }));
}

/** "0 – 4 cm" of whole numbers; of others "0 – 5 m", which is from 0 to below 5. */
function describeBin(words: Words, from: number, end: number, unit: string): string {
  const text = end === from ? words.formatNumber(from) : `${words.formatNumber(from)} – ${words.formatNumber(end)}`;
  return unit ? `${text}\u00a0${unit}` : text;
}

/** A Monday, and a first of January. */
const MONDAY = Date.UTC(2024, 0, 1);
const DAY = 86_400_000;

/** "March 2024", "3 – 9 Mar 2024", "Monday", "14:00". */
export function describeBucket(words: Words, step: Step, value: string | number, end?: string): string {
  const write = (at: number, options: Intl.DateTimeFormatOptions): string =>
    new Intl.DateTimeFormat(words.locale, { ...options, timeZone: "UTC" }).format(at);
  if (step === "hour-of-day") return write(Number(value) * 3_600_000, { hour: "2-digit", minute: "2-digit" });
  if (step === "weekday") return write(MONDAY + (Number(value) - 1) * DAY, { weekday: "long" });
  if (step === "month-of-year") return write(Date.UTC(2024, Number(value) - 1, 1), { month: "long" });
  const text = String(value);
  if (step === "hour") return words.formatDate(text, true);
  if (step === "day" || !end) return words.formatDate(text);
  // Farther away than the browser's own calendar goes.
  if (!Number.isFinite(toDays(end))) return text;
  const first = new Date(toDays(text) * DAY);
  if (step === "month") return write(first.getTime(), { month: "long", year: "numeric", ...eraOf(first) });
  return describePeriod(words, text, addDays(end, -1));
}

/** Values in series: as the layer's legend has them, several in one colour where it says so; else the most frequent. */
function listSeries(
  group: Extract<AggregateGroup, { kind: "category" }>,
  layer: LayerDetail,
  words: Words,
  found: Aggregate,
  rest: string,
): { series: Series[]; seriesOf: (key: number) => number } {
  const field = layer.fields.find(({ name }) => name === group.field)!;
  // Averages of several values are none of all of them.
  const stacks = canStack(found);
  const read = readLegend(layer, field, group.values, group.others === 0);
  const drawn = stacks || read?.every(({ values }) => values.length === 1) ? read : null;
  const describe = (values: Scalar[]): Pick<Series, "label" | "lang"> => ({
    label: values.map((value) => words.formatValue(field, value)).join(", "),
    lang: words.langOf(layer, field, values[0]),
  });
  const listed: Series[] = drawn
    ? drawn.map(({ values, paint }) => ({ ...describe(values), values, paint }))
    : group.values.slice(0, PAINTS.length).map((value, at) => ({ ...describe([value]), values: [value], paint: PAINTS[at]! }));
  const places = new Map(listed.flatMap(({ values }, at) => values.map((value): [Scalar, number] => [value, at])));
  const left = listed.length;
  const placeOf = (key: number): number => places.get(group.values[key] ?? null) ?? left;
  const others = new Set(found.cells.map((cell) => Number(cell[1])).filter((key) => placeOf(key) === left)).size;
  if (stacks ? others : others === 1) listed.push({ label: rest, lang: undefined, values: [], paint: REST });
  return { series: listed, seriesOf: placeOf };
}

/** Values by the colours of the layer's legend, if it is about this field and names what is most frequent: else grey would be most of it. `all`: there are no other values. */
export function readLegend(
  layer: LayerDetail,
  field: Field,
  values: readonly Scalar[],
  all: boolean,
): { values: Scalar[]; paint: Paint }[] | null {
  const listed = layer.legend.flatMap((entry) => {
    // What is drawn by another field may have the same words for its values.
    const own = ([] as Scalar[]).concat((entry.title === field.title && entry.value) || []).filter((value) => values.includes(value));
    return own.length ? [{ values: own, paint: paintOf(entry) }] : [];
  });
  const known = listed.flatMap((entry) => entry.values);
  const most = all && values.every((value) => known.includes(value)) ? MOST_COLOURS : MOST_COLOURS - 1;
  if (listed.length < 2 || listed.length > most || !known.includes(values[0] ?? null)) return null;
  // One colour for two entries, told apart by their size or outline on the map, is none for a chart.
  return new Set(listed.map(({ paint }) => paint.light)).size === listed.length ? listed : null;
}

const PAPER = /^#(?:f[0-9a-f]){3}$/i;

function paintOf({ color, stroke, dark }: LegendEntry): Paint {
  // What is white inside a ring on the map is the ring's colour here.
  const light = PAPER.test(color) && stroke ? stroke : color;
  return { light: PAPER.test(light) ? "#b9bec2" : light, dark: dark?.color ?? light };
}

/** Areas with the most rows first; where there are more than a picture shows, the others as one. */
export function arrange(model: Model, most: number, others: (count: number) => string): Model {
  if (model.group.kind !== "area") return model;
  const order = model.places.map((_, at) => at).sort((a, b) => (model.totals[b] ?? -Infinity) - (model.totals[a] ?? -Infinity));
  const pick = (places: number[]): Pick<Model, "places" | "cells" | "totals"> => ({
    places: places.map((at) => model.places[at]!),
    cells: places.map((at) => model.cells[at]!),
    totals: places.map((at) => model.totals[at]!),
  });
  if (order.length <= most) return { ...model, ...pick(order) };
  const shown = pick(order.slice(0, most));
  if (!model.stacks) return { ...model, ...shown };
  const rest = order.slice(most);
  const sum = rest.reduce((total, at) => total + (model.totals[at] ?? 0), 0);
  const place = { label: others(rest.length), lang: undefined, key: OTHERS, incomplete: false };
  return { ...model, places: [...shown.places, place], cells: [...shown.cells, [sum]], totals: [...shown.totals, sum] };
}
