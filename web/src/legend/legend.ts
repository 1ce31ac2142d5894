/** The tie between a legend and the filter controls. */
import type { LayerDetail, LegendEntry, Scalar } from "../query/types.ts";
import type { Clauses } from "../filter/cql2.ts";

const valuesOf = ({ value }: LegendEntry): Scalar[] => (Array.isArray(value) ? value : value === undefined ? [] : [value]);

/** The choice field whose values the legend explains, "" when it explains something else. */
export function legendField(layer: LayerDetail): string {
  const values = layer.legend.flatMap(valuesOf).filter((value) => value !== null);
  if (values.length < 2) return "";
  const fits = layer.fields.find((field) => {
    const known = new Set(field.choices?.map((choice) => choice.value));
    return field.filter === "choice" && values.filter((value) => known.has(value)).length > values.length / 2;
  });
  return fits?.name ?? "";
}

/** The legend's entry for each value of a field, null when it explains something else. */
export function signsOf(layer: LayerDetail, field: string): Map<Scalar, LegendEntry> | null {
  if (legendField(layer) !== field) return null;
  return new Map(layer.legend.flatMap((entry) => valuesOf(entry).map((value) => [value, entry] as const)));
}

/** The entries that can be on the map under a filter: a value that was not chosen is not drawn. */
export function visibleEntries(layer: LayerDetail, clauses: Clauses | null): LegendEntry[] {
  const clause = clauses?.[legendField(layer)];
  if (clause?.kind !== "choice" || !clause.values.length) return layer.legend;
  const chosen = layer.legend.filter((entry) => valuesOf(entry).some((value) => clause.values.includes(value)));
  return chosen.length ? chosen : layer.legend;
}
