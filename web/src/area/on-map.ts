/** What the tool of areas asks of the map. */
import type { CityMap } from "../map/city-map.ts";
import type { Position } from "../filter/question.ts";
import type { Bounds } from "../query/types.ts";

/** No nearer than this where something small is fitted into the map, and pixels around it. */
const NEAREST = 17;
const ROOM = 60;
/** Pixels of a shape whose handles do not lie on each other. */
const HANDY = 120;

/** The topmost area under a pixel, of the layers that have rows to be picked. */
export function areaUnder({ inner }: CityMap, x: number, y: number, layers: readonly string[]): { layer: string; fid: number } | null {
  const found = inner.queryRenderedFeatures([x, y]).find(({ source, sourceLayer, id, geometry }) => {
    // Bins come from the same source, and stand for many.
    const picked = layers.includes(source) && sourceLayer === source && Number.isSafeInteger(id);
    return picked && /Polygon$/.test(geometry.type);
  });
  return found ? { layer: found.source, fid: Number(found.id) } : null;
}

/** Two corners of what is seen of the ground, without what lies under something at the bottom. */
export function cornersOf({ inner }: CityMap): [Position, Position] {
  const { clientWidth: width, clientHeight: height } = inner.getContainer();
  const low = height - (inner.getPadding().bottom ?? 0);
  return [inner.unproject([0, low]).toArray(), inner.unproject([width, 0]).toArray()];
}

/** Whether all of it is seen, and large enough to be taken hold of. */
export function isHandy({ inner }: CityMap, bounds: Bounds): boolean {
  const [west, south, east, north] = bounds as [number, number, number, number];
  const [low, high] = [inner.project([west, south]), inner.project([east, north])];
  const { clientWidth: width, clientHeight: height } = inner.getContainer();
  const within = low.x >= 0 && high.x <= width && high.y >= 0 && low.y <= height - (inner.getPadding().bottom ?? 0);
  return within && Math.max(high.x - low.x, low.y - high.y) >= HANDY;
}

/** Go where all of this is seen; `low` pixels at the bottom lie under the tool. */
export function fitInto({ inner }: CityMap, bounds: Bounds, low: number): void {
  const padding = { top: ROOM, right: ROOM, left: ROOM, bottom: ROOM + low };
  inner.fitBounds(bounds as [number, number, number, number], { padding, maxZoom: NEAREST });
}
