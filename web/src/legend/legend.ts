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

/** An entry for some of the values that it stands for: the names of the others go, where each value has its own. */
function narrow(entry: LegendEntry, chosen: readonly Scalar[]): LegendEntry {
  const values = valuesOf(entry);
  const names = entry.label.split(", ");
  if (names.length !== values.length) return entry;
  return { ...entry, label: names.filter((_, index) => chosen.includes(values[index]!)).join(", ") };
}

/** The entries that can be on the map under a filter: a value that was not chosen is neither drawn nor named. */
export function visibleEntries(layer: LayerDetail, clauses: Clauses | null): LegendEntry[] {
  const clause = clauses?.[legendField(layer)];
  if (clause?.kind !== "choice" || !clause.values.length) return layer.legend;
  const { values } = clause;
  const known = layer.legend.flatMap(valuesOf);
  // What has no class of its own is drawn as the rest.
  const rest = values.some((value) => !known.includes(value));
  const title = layer.legend.find((entry) => valuesOf(entry).length)?.title;
  const shown = layer.legend.flatMap((entry) => {
    // Without a value it is that rest, or explains something else, such as a size.
    if (!valuesOf(entry).length) return rest || entry.title !== title ? [entry] : [];
    return valuesOf(entry).some((value) => values.includes(value)) ? [narrow(entry, values)] : [];
  });
  return shown.length ? shown : layer.legend;
}

/** What is measured, over the first of its entries: where numbers would be bare, or two things are explained; else "". */
export function headingOf(entries: readonly LegendEntry[], index: number): string {
  const { title = "", value } = entries[index]!;
  const needed = title && (value === undefined || entries.some((entry) => (entry.title ?? "") !== title));
  return needed && entries[index - 1]?.title !== title ? title : "";
}
