/** What narrows the map, part by part, in words and with the way to take it out. */
import type { Field, LayerDetail } from "../query/types.ts";
import type { MapState } from "../state/map-state.svelte.ts";
import type { Words } from "../ui/i18n.svelte.ts";
import type { Clause } from "./cql2.ts";
import { describePeriod } from "./periods.ts";
import { activeParts, FIELD } from "./question.ts";
import { isTemporal } from "./scale.ts";

export interface Part {
  /** As `activeParts` names it. */
  key: string;
  text: string;
  clear: () => void;
}

/** Values that a chip names before it counts the rest. */
const NAMED = 2;

/** What narrows one layer alone. */
export function partsOf(viewer: MapState, layer: LayerDetail): Part[] {
  const question = viewer.question(layer);
  return activeParts({ ...question, window: null, area: null }, layer.time).map((key) => {
    if (key === "custom") return { key, text: viewer.words.t("customFilter"), clear: () => viewer.setFilter(layer.id, "") };
    const field = layer.fields.find(({ name }) => name === key.slice(FIELD.length))!;
    return {
      key,
      text: describeClause(viewer.words, field, question.clauses[field.name]!, field.name === layer.time),
      clear: () => viewer.setClause(layer, field.name, null),
    };
  });
}

/** What narrows all layers together. */
export function sharedParts(viewer: MapState): Part[] {
  const parts: Part[] = [];
  const { window, area, words } = viewer;
  if (window) parts.push({ key: "time", text: describePeriod(words, window.from, window.to), clear: () => viewer.setWindow(null) });
  if (area) parts.push({ key: "area", text: words.t("areaActive"), clear: () => viewer.setArea(null) });
  return parts;
}

/** A clause in few words; the field is named where its values alone would not be understood. */
function describeClause(words: Words, field: Field, clause: Clause, isTime: boolean): string {
  if (clause.kind === "search") return `${field.title}: “${clause.text}”`;
  if (clause.kind === "range") {
    const { from, to } = clause;
    if (isTemporal(field)) {
      const period = describePeriod(words, from === null ? null : String(from), to === null ? null : String(to));
      return isTime ? period : `${field.title}: ${period}`;
    }
    const [low, high] = [from, to].map((end) => end !== null && words.formatValue(field, end));
    if (low && high) return `${field.title} ${low} – ${high}`;
    return low ? `${field.title} ≥ ${low}` : `${field.title} ≤ ${high || ""}`;
  }
  const shown = clause.values.slice(0, NAMED).map((value) => words.formatValue(field, value));
  const rest = clause.values.length - shown.length;
  const text = shown.join(", ") + (rest ? ` +${rest}` : "");
  const plain = clause.values.every((value) => typeof value === "string" && value !== "");
  return plain ? text : `${field.title}: ${text}`;
}
