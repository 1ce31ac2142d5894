/** Where the city is. */
import type { Bounds, LayerSummary } from "../query/types.ts";

/** Times the middle one that a layer's extent may be before it is taken for stray rows. */
const STRAY = 8;

/**
 * What to show at first: the basemap's extent, which draws the city; without one that of the data, leaving out layers
 * that a few misplaced rows have stretched. Null when nothing has a place.
 */
export function findCity(layers: LayerSummary[]): Bounds | null {
  const placed = layers.filter(
    (layer): layer is LayerSummary & { bounds: Bounds } => layer.bounds !== null && layer.bounds[0] <= layer.bounds[2],
  );
  const base = placed.filter((layer) => layer.basemap);
  const extents = (base.length ? base : placed).map((layer) => layer.bounds);
  if (!extents.length) return null;
  const size = ([west, south, east, north]: Bounds): number => Math.hypot(east - west, north - south);
  const sizes = extents.map(size).sort((a, b) => a - b);
  const most = STRAY * (sizes[Math.floor((sizes.length - 1) / 2)] ?? 0);
  const kept = extents.filter((extent) => size(extent) <= most);
  const pick = (index: number, best: (...values: number[]) => number): number => best(...kept.map((each) => each[index]!));
  return [pick(0, Math.min), pick(1, Math.min), pick(2, Math.max), pick(3, Math.max)];
}
