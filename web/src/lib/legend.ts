/** The tie between a legend and the filter controls. */
import type { LayerDetail, LegendEntry } from "./api.ts";
import type { Clauses } from "./cql2.ts";

/** The choice field whose values the legend explains, "" when it explains something else. */
export function legendField(layer: LayerDetail): string {
  const values = layer.legend.flatMap((entry) => (entry.value === undefined || entry.value === null ? [] : [entry.value]));
  if (values.length < 2) return "";
  const fits = layer.fields.find((field) => {
    const known = new Set(field.choices?.map((choice) => choice.value));
    return field.filter === "choice" && values.filter((value) => known.has(value)).length > values.length / 2;
  });
  return fits?.name ?? "";
}

/** The entries that can be on the map under a filter: a value that was not chosen is not drawn. */
export function visibleEntries(layer: LayerDetail, clauses: Clauses | null): LegendEntry[] {
  const clause = clauses?.[legendField(layer)];
  if (clause?.kind !== "choice" || !clause.values.length) return layer.legend;
  const chosen = layer.legend.filter((entry) => entry.value !== undefined && clause.values.includes(entry.value));
  return chosen.length ? chosen : layer.legend;
}
