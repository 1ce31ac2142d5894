/** What narrows the map, part by part, in words and with the way to take it out. */
import type { Feature, Field, LayerDetail } from "../query/types.ts";
import type { MapState } from "../state/map-state.svelte.ts";
import type { Words } from "../ui/i18n.svelte.ts";
import type { Clause } from "./cql2.ts";
import { describePeriod } from "./periods.ts";
import { AREA_FEATURE } from "../state/knowledge.svelte.ts";
import type { Area } from "./question.ts";
import { activeParts, FIELD, questionOf, setClause } from "./reading.ts";
import { isTemporal } from "./scale.ts";

export interface Part {
  /** As `activeParts` names it. */
  key: string;
  text: string;
  /** For the attribute `lang`, where all of the text is in another language than the page. */
  lang: string | undefined;
  clear: () => void;
}

/** Values that a chip names before it counts the rest. */
const NAMED = 2;

/** What narrows one layer alone; `most` values of a field are named before the rest is counted. */
export function partsOf(viewer: MapState, layer: LayerDetail, most = NAMED): Part[] {
  const question = questionOf(viewer, layer);
  return activeParts({ ...question, window: null, area: null }, layer.time).map((key) => {
    if (key === "custom")
      return { key, text: viewer.words.t("customFilter"), lang: undefined, clear: () => viewer.setFilter(layer.id, "") };
    const field = layer.fields.find(({ name }) => name === key.slice(FIELD.length))!;
    return {
      key,
      ...describeClause(viewer.words, layer, field, question.clauses[field.name]!, most),
      clear: () => setClause(viewer, layer, field.name, null),
    };
  });
}

/** What narrows all layers together. */
export function sharedParts(viewer: MapState): Part[] {
  const parts: Part[] = [];
  const { window, area, words } = viewer;
  if (window)
    parts.push({ key: "time", text: describePeriod(words, window.from, window.to), lang: undefined, clear: () => viewer.setWindow(null) });
  if (area) parts.push({ key: "area", ...describeArea(viewer, area), clear: () => viewer.setArea(null) });
  return parts;
}

/** Where; a feature by its title, as soon as that is known. */
export function describeArea(viewer: MapState, area: Area): Pick<Part, "text" | "lang"> {
  const { words, known } = viewer;
  if (area.kind === "circle") return { text: words.t("areaNear", { radius: words.formatLength(area.radius) }), lang: undefined };
  if (area.kind !== "feature" || known.areaGone) return { text: words.t("areaActive"), lang: undefined };
  const { data } = known.read<Feature>(AREA_FEATURE);
  const detail = known.detail(area.layer);
  const title = data && detail ? words.titleOf(detail, data.properties, area.fid).text : viewer.layer(area.layer)?.title;
  return { text: title ? words.t("areaIn", { title }) : words.t("areaActive"), lang: undefined };
}

/** What to say of a filter that the server refuses. */
export const faultOf = ({ known }: MapState): "areaGone" | "filterFailed" => (known.areaGone ? "areaGone" : "filterFailed");

/** A clause in few words; the field is named where its values alone would not be understood. */
function describeClause(words: Words, layer: LayerDetail, field: Field, clause: Clause, most: number): Pick<Part, "text" | "lang"> {
  const lang = words.lang(field.language);
  if (clause.kind === "search") return { text: `${field.title}: “${clause.text}”`, lang };
  if (clause.kind === "range") {
    const { from, to, under } = clause;
    if (isTemporal(field)) {
      const period = describePeriod(words, from === null ? null : String(from), to === null ? null : String(to));
      return field.name === layer.time ? { text: period, lang: undefined } : { text: `${field.title}: ${period}`, lang };
    }
    const [low, high] = [from, to].map((end) => end !== null && words.formatValue(field, end));
    const text = low && high ? `${low} – ${under ? "< " : ""}${high}` : low ? `≥ ${low}` : `${under ? "<" : "≤"} ${high || ""}`;
    return { text: `${field.title} ${text}`, lang };
  }
  const named = clause.values.slice(0, most);
  const spoken = new Set(named.map((value) => words.langOf(layer, field, value)));
  const rest = clause.values.length - named.length;
  const text = named.map((value) => words.formatValue(field, value)).join(", ") + (rest ? ` +${rest}` : "");
  const plain = clause.values.every((value) => typeof value === "string" && value !== "");
  if (!plain) return { text: `${field.title}: ${text}`, lang };
  return { text, lang: spoken.size === 1 ? [...spoken][0] : undefined };
}
