/**
 * What a chart is drawn of: one group of rows or two, and what is measured of each. It is written as the server is asked
 * for it, `reported_at:month,category~avg:height`, in the address as well.
 */
import type { Field, LayerDetail } from "../query/types.ts";

export const STEPS = ["auto", "hour", "day", "week", "month", "quarter", "year", "decade"] as const;
/** What comes again and again, of whatever day or year. */
export const TURNS = ["hour-of-day", "weekday", "month-of-year"] as const;
/** Found by `auto` where there are that many years. */
const AGES = ["century", "millennium"] as const;
export const MEASURES = ["sum", "avg", "min", "max", "median"] as const;

export type Step = (typeof STEPS)[number] | (typeof TURNS)[number] | (typeof AGES)[number];
export type Kind = "time" | "category" | "number" | "area";

export type Group =
  | { kind: "time"; field: string; step: Step }
  | { kind: "category"; field: string }
  | { kind: "number"; field: string; bins: number | null }
  | { kind: "area"; layer: string };

export interface Spec {
  group: Group;
  /** What splits each bar, or the number against which the first is drawn. */
  by: Group | null;
  /** Null counts rows. */
  measure: { of: (typeof MEASURES)[number]; field: string } | null;
}

/** Of a layer what a chart is chosen by. */
export type Drawn = Pick<LayerDetail, "fields" | "time">;

export function kindOf({ type, filter }: Pick<Field, "type" | "filter">): Exclude<Kind, "area"> {
  if (type === "date" || type === "timestamp") return "time";
  return type === "text" || type === "boolean" || filter === "choice" ? "category" : "number";
}

const isNumber = ({ type }: Field): boolean => type === "integer" || type === "number";

/** Fields of a kind, those first that a map can be filtered by; a text that is another one in each row tells nothing. */
export function listFields({ fields, time }: Drawn, kind: Exclude<Kind, "area">): Field[] {
  const found = fields.filter((field) => kindOf(field) === kind);
  const rank = (field: Field): number => Number(field.name !== time) + 2 * Number(field.filter === "none" || field.filter === "search");
  return found.sort((a, b) => rank(a) - rank(b));
}

/** Steps that can be chosen for a time: a day has no hours. */
export const listSteps = ({ type }: Pick<Field, "type">): Step[] =>
  [...STEPS, ...TURNS].filter((step) => type === "timestamp" || !step.startsWith("hour"));

export const listMeasured = ({ fields }: Drawn): Field[] => fields.filter(isNumber);

export function writeGroup(group: Group): string {
  if (group.kind === "area") return `in:${group.layer}`;
  if (group.kind === "time") return `${group.field}:${group.step}`;
  return group.kind === "number" && group.bins ? `${group.field}:${group.bins}` : group.field;
}

export const writeGroups = ({ group, by }: Spec): string => [group, by].flatMap((each) => (each ? [writeGroup(each)] : [])).join(",");
export const writeMeasure = ({ measure }: Spec): string => (measure ? `${measure.of}:${measure.field}` : "");
export const writeSpec = (spec: Spec): string => [writeGroups(spec), writeMeasure(spec)].filter(Boolean).join("~");

/** Null where the text says what this layer does not have, or what is not drawn; `areas` are layers of areas. */
export function parseSpec(text: string, layer: Drawn, areas: readonly string[]): Spec | null {
  const [grouped = "", measured, ...more] = text.split("~");
  const groups = grouped.split(",").map((part) => parseGroup(part, layer, areas));
  const [group, by = null] = groups;
  if (!group || more.length || groups.length > 2 || groups.includes(null) || !(by === null || canSplit(group, by))) return null;
  if (measured === undefined) return { group, by, measure: null };
  const [of, field, ...rest] = measured.split(":");
  const known = MEASURES.find((each) => each === of);
  if (!known || rest.length || !listMeasured(layer).some(({ name }) => name === field)) return null;
  return { group, by, measure: { of: known, field: field! } };
}

/** What is drawn together: anything in order split by values, and one number against another. */
function canSplit(group: Group, by: Group): boolean {
  if (group.kind === "number" && by.kind === "number") return group.field !== by.field;
  return by.kind === "category" && (group.kind === "time" || group.kind === "number");
}

function parseGroup(text: string, { fields }: Drawn, areas: readonly string[]): Group | null {
  const [name, how, ...more] = text.split(":");
  if (more.length) return null;
  if (name === "in") return areas.includes(how ?? "") ? { kind: "area", layer: how! } : null;
  const field = fields.find((each) => each.name === name);
  if (!field) return null;
  const kind = kindOf(field);
  if (kind === "time") {
    const step = [...listSteps(field), ...AGES].find((each) => each === (how ?? "auto"));
    return step ? { kind, field: field.name, step } : null;
  }
  if (kind === "category") return how === undefined ? { kind, field: field.name } : null;
  if (how === undefined) return { kind, field: field.name, bins: null };
  return /^[1-9]\d{0,2}$/.test(how) ? { kind, field: field.name, bins: Number(how) } : null;
}

/** The kinds of charts that a layer has. */
export function listKinds(layer: Drawn, areas: readonly string[]): Kind[] {
  const has = (kind: Exclude<Kind, "area">): boolean => listFields(layer, kind).length > 0;
  return [...(["time", "category", "number"] as const).filter(has), ...(areas.length ? (["area"] as const) : [])];
}

/** The first chart of a kind. */
export function chooseGroup(kind: Kind, layer: Drawn, areas: readonly string[]): Group {
  if (kind === "area") return { kind, layer: areas[0]! };
  const field = listFields(layer, kind)[0]!.name;
  return kind === "time" ? { kind, field, step: "auto" } : kind === "number" ? { kind, field, bins: null } : { kind, field };
}

/** Days that a layer's time has to span for its course to tell something. */
const FEW_DAYS = 3;

/** What a layer shows at first: its course, if it has one; else its values, and else how large it is. */
export function chooseSpec(layer: Drawn, areas: readonly string[]): Spec | null {
  const kinds = listKinds(layer, areas);
  const time = kinds.includes("time") ? listFields(layer, "time")[0]! : null;
  const span = time ? Date.parse(String(time.max)) - Date.parse(String(time.min)) : NaN;
  const course = time !== null && !(span < FEW_DAYS * 86_400_000);
  const told = listFields(layer, "category").some(({ filter }) => filter === "choice");
  const order: (Kind | false)[] = [course && "time", told && "category", "number", "category", "time", "area"];
  const kind = order.find((each): each is Kind => each !== false && kinds.includes(each));
  return kind ? { group: chooseGroup(kind, layer, areas), by: null, measure: null } : null;
}
