/** What is asked of a layer, read back from its text for the parts that show and change it, part by part. */
import type { Field, LayerDetail } from "../query/types.ts";
import type { MapState } from "../state/map-state.svelte.ts";
import { isEmpty, type Clause } from "./cql2.ts";
import { parseFilter } from "./parser.ts";
import { writeQuestion, type Asked, type Parse, type Question } from "./question.ts";

export const parseQuestion: Parse = (text, { window, area }, { fields }) => {
  const clauses = parseFilter(text, fields);
  return { window, area, clauses: clauses ?? {}, custom: clauses ? "" : text };
};

/** What is asked of a layer. */
export const questionOf = (viewer: Pick<MapState, "filters" | "window" | "area">, layer: { id: string; fields: Field[] }): Question =>
  parseQuestion(viewer.filters[layer.id] ?? "", viewer, layer);

/** Change one field's part of a layer's filter; null takes it out. */
export function setClause(viewer: MapState, layer: LayerDetail, name: string, clause: Clause | null): void {
  const { clauses } = questionOf(viewer, layer);
  const { [name]: _, ...others } = clauses;
  const next = { window: null, area: null, custom: "", clauses: clause ? { ...others, [name]: clause } : others };
  // To take a part out is a step of its own, however soon after it was set.
  viewer.setFilter(layer.id, writeQuestion(next, layer), clause ? name : `no ${name}`);
}

/** Before the name of a field that is a part: a field may be named "time" itself. */
export const FIELD = "field ";

/** What narrows a layer, part by part: "field NAME", "custom", "time", "area". */
export function activeParts(question: Question, time: string | null): string[] {
  const fields = Object.entries(question.clauses).filter(([, clause]) => !isEmpty(clause));
  return [
    ...fields.map(([name]) => FIELD + name),
    ...(question.custom ? ["custom"] : []),
    ...(question.window && time !== null ? ["time"] : []),
    ...(question.area ? ["area"] : []),
  ];
}

/** For each part of what narrows a layer, named as by `activeParts`: the whole text without it. */
export function writeWithoutEach(question: Question, layer: Asked): Map<string, string> {
  const left = (part: string): Question => {
    if (part === "custom") return { ...question, custom: "" };
    if (part === "time") return { ...question, window: null };
    if (part === "area") return { ...question, area: null };
    const { [part.slice(FIELD.length)]: _, ...clauses } = question.clauses;
    return { ...question, clauses };
  };
  return new Map(activeParts(question, layer.time).map((part) => [part, writeQuestion(left(part), layer)]));
}
