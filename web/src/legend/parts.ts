/** What a legend tells of a map: of each layer that is on, the classes of its bins, its signs, or both. */
import { shownAt, type Bin } from "../map/bins.ts";
import { isOutlined } from "../map/style.ts";
import type { BinEntry, LayerDetail, LegendEntry } from "../query/types.ts";
import type { MapState } from "../state/map-state.svelte.ts";
import { visibleEntries } from "./legend.ts";
import { questionOf } from "../filter/reading.ts";

export interface LegendPart {
  layer: LayerDetail;
  bins: BinEntry[];
  entries: LegendEntry[];
  /** Its areas are not filled, beside other layers. */
  outlined: boolean;
}

/** What is on a map at this zoom, with these bins on it, under the filters. */
export function listParts(viewer: MapState, zoom: number | null, seen: readonly Bin[]): LegendPart[] {
  return viewer.layers.flatMap(({ id }) => {
    const layer = viewer.on.includes(id) ? viewer.known.detail(id) : undefined;
    if (!layer || viewer.known.refusal(id) !== null) return [];
    const some = seen.some((bin) => bin.layer === id);
    const shown = shownAt(layer.geometry, viewer.known.featuresFrom(id), zoom, some);
    const question = questionOf(viewer, layer);
    const bins = shown.bins ? (layer.bins?.legend ?? []) : [];
    const entries = shown.features ? visibleEntries(layer, question.custom ? null : question.clauses) : [];
    return bins.length || entries.length ? [{ layer, bins, entries, outlined: isOutlined(viewer.known.scene?.style, id) }] : [];
  });
}
