/** Leaves features out of what a map draws, whichever style it draws. */
import type { ExpressionSpecification, FilterSpecification, LayerSpecification, Map as MapLibreMap } from "maplibre-gl";
import type { View } from "./ahead.ts";
import type { CityMap } from "./city-map.ts";
import { isBin } from "./bins.ts";

/** By source: what its features have to fulfil. Bins count other features, and stay. */
export type Conditions = Readonly<Record<string, ExpressionSpecification>>;

/** Until it is told otherwise. */
export function narrow(map: CityMap, by: Conditions): void {
  map.dress = (style) => ({ ...style, layers: style.layers.map((layer) => narrowLayer(layer, by)) });
  const { inner, style } = map;
  for (const layer of style.layers) {
    if (!("source" in layer) || !inner.getLayer(layer.id)) continue;
    // What stays as it is costs nothing.
    inner.setFilter(layer.id, (narrowLayer(layer, by) as { filter?: FilterSpecification }).filter, { validate: false });
  }
}

function narrowLayer(layer: LayerSpecification, by: Conditions): LayerSpecification {
  const more = "source" in layer && !isBin(layer) ? by[layer.source] : undefined;
  if (!more) return layer;
  const { filter } = layer as { filter?: FilterSpecification };
  return { ...layer, filter: filter ? ["all", filter, more] : more } as LayerSpecification;
}

/** What was asked for last is drawn. */
export function untilDrawn(map: MapLibreMap): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (!map.areTilesLoaded()) return;
      map.off("render", look);
      resolve();
    };
    map.on("render", look);
    map.triggerRepaint();
  });
}

/** Where a map is, and how large, as tiles are found by. */
export function viewOf(map: MapLibreMap): View {
  const { clientWidth: width, clientHeight: height } = map.getContainer();
  const { lng: lon, lat } = map.getCenter();
  const covered = map.getPadding().bottom ?? 0;
  const padding = { top: 0, right: 0, bottom: 0, left: 0 };
  return { camera: { zoom: map.getZoom(), lat, lon }, bounds: null, width, height, padding, covered };
}
