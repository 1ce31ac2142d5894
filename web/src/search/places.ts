/** From where places, streets and addresses are seen. */
import type { Place } from "../query/types.ts";
import type { Camera } from "../state/address.ts";

/** Zooms of what is a point on the map, by what it is, and of the rest. */
const ZOOMS: Record<string, number> = {
  city: 11.5,
  town: 12.5,
  district: 13.5,
  suburb: 14,
  village: 13.5,
  island: 13,
  water: 13.5,
  park: 15,
  address: 17.5,
};
const CLOSE = 16;
/** Degrees of longitude in a tile of zoom 0, and how many tiles of 512 pixels a narrow window is wide. */
const WORLD = 360;
const TILES = 0.7;

/** Where to stand to see all of it. */
export function lookAt({ at, bounds, kind }: Place): Camera {
  const [west, south, east, north] = bounds as [number, number, number, number];
  const [lon, lat] = at as [number, number];
  const close = ZOOMS[kind ?? ""] ?? CLOSE;
  const span = Math.max(east - west, (north - south) / Math.cos((lat * Math.PI) / 180));
  if (!span || kind === "address") return { zoom: close, lat, lon };
  const zoom = Math.min(CLOSE, Math.floor(Math.log2((WORLD * TILES) / span) * 10) / 10);
  return { zoom, lat: (south + north) / 2, lon: (west + east) / 2 };
}
