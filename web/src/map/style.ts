/** From what the server says to the one style that MapLibre draws: base, layers, their tiles, and the mark around what is selected. */
import type { FilterSpecification, SourceSpecification, StyleSpecification, VectorSourceSpecification } from "maplibre-gl";
import type { TileJson } from "../query/types.ts";
import type { Scene } from "../state/knowledge.svelte.ts";
import type { MapState } from "../state/map-state.svelte.ts";
import { outlineOf } from "./bins.ts";

export const SELECTION = "selection";
/** The source of areas and places that are marked. */
export const MARKS = "marks";
/** What is drawn of areas and places beside the layers: their shapes, and how they look. */
export interface Marks {
  data: GeoJSON.FeatureCollection;
  layers: StyleSpecification["layers"];
}

const NOTHING: GeoJSON.FeatureCollection = { type: "FeatureCollection", features: [] };

/** Whether the areas of a layer are outlined in the style, beside other layers, and not filled. */
export const isOutlined = (style: Record<string, unknown> | undefined, layer: string): boolean =>
  !!(style?.metadata as Record<string, string[]> | undefined)?.["geoserver:outlined"]?.includes(layer);

/** The shape of what is selected, as soon as it is known. */
export function markOf({ selection, known }: MapState): GeoJSON.Geometry | null {
  if (!selection) return null;
  return selection.bin ? outlineOf(selection.bin) : (known.feature.data?.geometry ?? null);
}

export function buildStyle(scene: Scene, mark: GeoJSON.Geometry | null, draw: MapState["marks"] = null): StyleSpecification {
  const style = scene.style as unknown as StyleSpecification;
  const sources: Record<string, SourceSpecification> = {};
  for (const [id, source] of Object.entries(style.sources)) {
    const tiles = scene.tiles[id];
    // What has no tiles is not drawn: it could not be had, or its filter was refused.
    if (source.type !== "vector" || !source.url) sources[id] = source;
    else if (tiles) sources[id] = buildSource(source, tiles);
  }
  sources[SELECTION] = { type: "geojson", data: mark ? { type: "Feature", properties: {}, geometry: mark } : NOTHING };
  const layers = style.layers.filter((layer) => !("source" in layer) || layer.source in sources);
  const marks = draw?.(scene.base);
  if (marks) sources[MARKS] = { type: "geojson", data: marks.data };
  return { ...style, sources, layers: [...layers, ...(marks?.layers ?? []), ...selectionLayers(scene.base)] };
}

/** A layer's source with its TileJSON told in place: that of its filter, where the style names that of all rows. */
function buildSource(source: VectorSourceSpecification, found: TileJson): VectorSourceSpecification {
  const { url: _, ...rest } = source;
  const { tiles, minzoom = 0, maxzoom = 22, bounds, attribution } = found;
  return {
    ...rest,
    tiles,
    minzoom: Math.max(minzoom, rest.minzoom ?? 0),
    maxzoom: Math.min(maxzoom, rest.maxzoom ?? maxzoom),
    ...(bounds && { bounds: bounds as [number, number, number, number] }),
    ...(attribution && { attribution: escapeHtml(attribution) }),
  };
}

/** A layer's attribution is plain text, and MapLibre would take it for HTML. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

/** A halo and a line: it stands out on any colour, and does not speak by colour alone. */
function selectionLayers(base: "light" | "dark"): StyleSpecification["layers"] {
  const [ink, halo] = base === "dark" ? ["#fff", "#000d"] : ["#111", "#fffd"];
  const points: FilterSpecification = ["match", ["geometry-type"], ["Point", "MultiPoint"], true, false];
  const lines: FilterSpecification = ["!", points];
  const round = { "line-cap": "round", "line-join": "round" } as const;
  return [
    {
      id: "selection-halo",
      type: "line",
      source: SELECTION,
      filter: lines,
      layout: round,
      paint: { "line-color": halo!, "line-width": 7 },
    },
    { id: "selection-line", type: "line", source: SELECTION, filter: lines, layout: round, paint: { "line-color": ink!, "line-width": 3 } },
    {
      id: "selection-ring-halo",
      type: "circle",
      source: SELECTION,
      filter: points,
      paint: { "circle-radius": 11, "circle-opacity": 0, "circle-stroke-color": halo!, "circle-stroke-width": 5 },
    },
    {
      id: "selection-ring",
      type: "circle",
      source: SELECTION,
      filter: points,
      paint: { "circle-radius": 11, "circle-opacity": 0, "circle-stroke-color": ink!, "circle-stroke-width": 2.5 },
    },
  ];
}
