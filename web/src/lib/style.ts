/** From what is switched on to the one style that MapLibre draws: base, layers, their filters, and the mark around what is selected. */
import type { FilterSpecification, SourceSpecification, StyleSpecification, VectorSourceSpecification } from "maplibre-gl";
import { readStyle, readTileJson, type TileJson } from "./api.ts";

export interface Scene {
  base: "light" | "dark";
  /** Layers to draw. */
  on: string[];
  filters: Record<string, string>;
}

export const SELECTION = "selection";

const NOTHING: GeoJSON.FeatureCollection = { type: "FeatureCollection", features: [] };
const styles = new Map<string, Promise<StyleSpecification>>();
const tileJsons = new Map<string, Promise<TileJson>>();

/** Ask once per key; a failure is forgotten, so that trying again asks again. */
function once<T>(cache: Map<string, Promise<T>>, key: string, ask: (key: string) => Promise<T>): Promise<T> {
  let answer = cache.get(key);
  if (!answer) {
    answer = ask(key);
    cache.set(key, answer);
    answer.catch(() => cache.delete(key));
  }
  return answer;
}

/** Tiles of a layer under a filter: the server answers with the rows that match, and with no others. */
export function filterTiles(tiles: string[], filter: string): string[] {
  if (!filter) return tiles;
  return tiles.map((url) => `${url}${url.includes("?") ? "&" : "?"}filter=${encodeURIComponent(filter)}`);
}

export interface Composed {
  style: StyleSpecification;
  /** Layers that could not be had; the rest is drawn without them. */
  failed: string[];
}

export async function composeStyle(scene: Scene, selected: GeoJSON.Feature | null): Promise<Composed> {
  // The server decides what lies above what, so the order of switching on does not matter, and sorted ids share a cache.
  const ids = [...scene.on].sort();
  const style = await once(styles, `${scene.base} ${ids}`, async () => (await readStyle(scene.base, ids)) as unknown as StyleSpecification);
  const sources: Record<string, SourceSpecification> = { ...style.sources };
  const failed: string[] = [];
  await Promise.all(
    // Points have a source of their own for the squares that stand for many, over the same tiles.
    ids.flatMap((id) => [id, `${id}:bins`].map(async (name) => {
      const source = sources[name];
      if (source?.type !== "vector" || !source.url) return;
      try {
        sources[name] = buildSource(source, await once(tileJsons, source.url, readTileJson), scene.filters[id] ?? "");
      } catch {
        if (name === id) failed.push(id);
        delete sources[name];
      }
    })),
  );
  sources[SELECTION] = { type: "geojson", data: selected ?? NOTHING };
  const layers = style.layers.filter((layer) => !("source" in layer) || layer.source in sources);
  return { style: { ...style, sources, layers: [...layers, ...selectionLayers(scene.base)] }, failed };
}

/** A layer's source with its TileJSON told in place, so that a filter can be put into the address of its tiles. */
function buildSource(source: VectorSourceSpecification, found: TileJson, filter: string): VectorSourceSpecification {
  const { url: _, ...rest } = source;
  const { tiles, minzoom = 0, maxzoom = 22, bounds, attribution } = found;
  return {
    ...rest,
    tiles: filterTiles(tiles, filter),
    minzoom: Math.max(minzoom, rest.minzoom ?? 0),
    maxzoom: Math.min(maxzoom, rest.maxzoom ?? 22),
    ...(bounds && { bounds }),
    ...(attribution && { attribution: escapeHtml(attribution) }),
  };
}

/** A layer's attribution is plain text, and MapLibre would take it for HTML. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

/** A halo and a line: it stands out on any colour, and does not speak by colour alone. */
function selectionLayers(base: Scene["base"]): StyleSpecification["layers"] {
  const [ink, halo] = base === "dark" ? ["#ffffff", "#000000"] : ["#111111", "#ffffff"];
  const points: FilterSpecification = ["match", ["geometry-type"], ["Point", "MultiPoint"], true, false];
  const lines: FilterSpecification = ["!", points];
  const round = { "line-cap": "round", "line-join": "round" } as const;
  return [
    { id: "selection-halo", type: "line", source: SELECTION, filter: lines, layout: round, paint: { "line-color": halo!, "line-width": 7, "line-opacity": 0.85 } },
    { id: "selection-line", type: "line", source: SELECTION, filter: lines, layout: round, paint: { "line-color": ink!, "line-width": 3 } },
    {
      id: "selection-ring-halo",
      type: "circle",
      source: SELECTION,
      filter: points,
      paint: { "circle-radius": 11, "circle-opacity": 0, "circle-stroke-color": halo!, "circle-stroke-width": 5, "circle-stroke-opacity": 0.85 },
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
