/** Bars as filters, and filters as bars: what a reader picks in a chart narrows the map, and the chart shows what is picked. */
import type { Clause, Clauses } from "../filter/cql2.ts";
import { isEmpty } from "../filter/cql2.ts";
import { writeQuestion, type Question, type TimeWindow } from "../filter/question.ts";
import type { Field, LayerDetail, Scalar } from "../query/types.ts";
import type { MapState } from "../state/map-state.svelte.ts";
import { fromDays, LAST_DAY, toDays } from "../ui/dates.ts";
import type { AggregateGroup } from "./model.ts";
import { TURNS, type Spec } from "./spec.ts";
import { questionOf } from "../filter/reading.ts";

/** Of a group what it takes to know how it narrows: what comes again and again has no ends. */
type Narrowing = { kind: AggregateGroup["kind"]; field?: string; ends?: unknown };

/** The groups of a chart that is not counted yet. */
export function listNarrowing({ group, by }: Spec): Narrowing[] {
  return [group, ...(by ? [by] : [])].map((each) => {
    if (each.kind === "area") return { kind: each.kind };
    const turning = each.kind === "time" && (TURNS as readonly string[]).includes(each.step);
    return { kind: each.kind, field: each.field, ...(turning ? {} : { ends: true }) };
  });
}

/** How a field narrows a layer: by a clause of its own, by the window that all layers share, or not at all. */
export type Way = "clause" | "window" | null;

export function wayOf(group: Narrowing, layer: LayerDetail, question: Question): Way {
  if (group.field === undefined) return null;
  const field = layer.fields.find(({ name }) => name === group.field);
  if (!field || (group.kind === "time" && !group.ends)) return null;
  if (group.kind === "time" && layer.time === field.name && !question.clauses[field.name]) return "window";
  if (question.custom) return null;
  return field.filter === (group.kind === "category" ? "choice" : "range") ? "clause" : null;
}

/** The whole filter without what these groups' own bars say, so that bars that are not picked stay. */
export function writeWithout(groups: readonly Narrowing[], layer: LayerDetail, question: Question): string {
  const ways = groups.map((group) => ({ group, way: wayOf(group, layer, question) }));
  const clauses = { ...question.clauses };
  for (const { group, way } of ways) if (way === "clause" && group.field !== undefined) delete clauses[group.field];
  const window = ways.some(({ way }) => way === "window") ? null : question.window;
  return writeQuestion({ ...question, clauses, window }, layer);
}

/** The value of a place, by its number in the answer: none is one, too; all that are not listed are not. */
export const valueOf = (group: AggregateGroup, key: number): Scalar | undefined =>
  group.kind === "category" ? (key === -2 ? null : group.values[key]) : undefined;

/** What is picked of a group, by the numbers of its places; null where nothing is. */
export function readPicked(group: AggregateGroup, keys: readonly number[], layer: LayerDetail, question: Question): boolean[] | null {
  const way = wayOf(group, layer, question);
  if (way === null || group.kind === "area") return null;
  const clause = way === "window" ? question.window && { kind: "range" as const, ...question.window } : question.clauses[group.field];
  if (!clause || isEmpty(clause)) return null;
  if (group.kind === "category") {
    if (clause.kind !== "choice") return null;
    return keys.map((key) => clause.values.includes(valueOf(group, key) as Scalar));
  }
  if (clause.kind !== "range") return null;
  const { from, to } = clause;
  if (group.kind === "time") {
    return group.values.map((value, at) => {
      const [first, last] = [toDays(String(value)), lastDay(group, at)];
      return (from === null || last >= toDays(String(from))) && (to === null || first <= toDays(String(to)));
    });
  }
  const [low, high] = [from === null ? -Infinity : Number(from), to === null ? Infinity : Number(to)];
  return group.edges.slice(1).map((end, at) => {
    const start = group.edges[at]!;
    const isLast = at === group.edges.length - 2;
    return (isLast ? end >= low : end > low) && (clause.under ? start < high : start <= high);
  });
}

type TimeGroup = Extract<AggregateGroup, { kind: "time" }>;

/** Days that a filter can name, since 1970. */
const [FIRST, LAST] = [toDays("0001-01-01"), toDays(LAST_DAY)];

/** The last day that is in a bucket: of an hour its own. */
function lastDay({ values, ends }: TimeGroup, at: number): number {
  const end = ends![at]!;
  return end.includes("T") ? toDays(String(values[at])) : toDays(end) - 1;
}

/** Buckets of time as days; open where nothing lies beyond. Null where an end cannot be named. */
function writeDays(group: TimeGroup, first: number, last: number): Clause | null {
  const [low, high] = [toDays(String(group.values[first])), lastDay(group, last)];
  const [opens, closes] = [!(low >= FIRST), !(high <= LAST)];
  const named = (!opens || first === 0) && (!closes || last === group.values.length - 1) && !(low > LAST) && !(high < FIRST);
  return named ? { kind: "range", from: opens ? null : fromDays(low), to: closes ? null : fromDays(high) } : null;
}

/** Places next to each other, as a clause; of hours their days. Null where no filter can say it. */
export function writeSpan(group: AggregateGroup, field: Field, first: number, last: number): Clause | null {
  if (group.kind === "time") return writeDays(group, first, last);
  if (group.kind !== "number") return null;
  const [from, to] = [group.edges[first]!, group.edges[last + 1]!];
  if (field.type === "integer" && Number.isSafeInteger(to)) return { kind: "range", from, to: to - 1 };
  // Where one bin ends the next one begins; only the last has its end. Of whole numbers that is above all of them.
  return field.type !== "integer" && last === group.edges.length - 2
    ? { kind: "range", from, to }
    : { kind: "range", from, to, under: true };
}

/** Values of a field with some put to them or, where all of them are there, taken out; null where none is left. */
export function toggleValues(clause: Clause | undefined, values: readonly Scalar[]): Clause | null {
  const before = clause?.kind === "choice" ? clause.values : [];
  const all = values.every((value) => before.includes(value));
  const left = all ? before.filter((value) => !values.includes(value)) : [...before, ...values.filter((value) => !before.includes(value))];
  return left.length ? { kind: "choice", values: left } : null;
}

/** Narrow the layer by clauses of fields, null for none, in one step. */
export function narrow(viewer: MapState, layer: LayerDetail, changes: Record<string, Clause | null>): void {
  const question = questionOf(viewer, layer);
  const clauses: Clauses = { ...question.clauses };
  for (const [name, clause] of Object.entries(changes)) {
    if (clause) clauses[name] = clause;
    else delete clauses[name];
  }
  const text = writeQuestion({ clauses, custom: "", window: null, area: null }, layer);
  viewer.setFilter(layer.id, text, `chart ${Object.keys(changes).join(" ")} ${Object.values(changes).some(Boolean)}`);
}

/** Pick places next to each other on an axis, or with null none of them. */
export function pickSpan(viewer: MapState, layer: LayerDetail, group: AggregateGroup, span: [first: number, last: number] | null): void {
  if (group.kind !== "time" && group.kind !== "number") return;
  const field = layer.fields.find(({ name }) => name === group.field)!;
  const clause = span && writeSpan(group, field, ...span);
  if (wayOf(group, layer, questionOf(viewer, layer)) === "window") {
    const window = clause?.kind === "range" ? ({ from: clause.from, to: clause.to } as TimeWindow) : null;
    viewer.setWindow(window);
  } else narrow(viewer, layer, { [field.name]: clause });
}
